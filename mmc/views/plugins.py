"""The plug-ins that are installed, for `mmc plugins`."""

from __future__ import annotations

from collections.abc import Sequence

from mmc.plan.codec import to_json
from mmc.registry import Plugin
from mmc.views.columns import columns, json_lines


def plugins_text(plugins: Sequence[Plugin], *, as_json: bool) -> str:
    """One line a plug-in."""
    if as_json:
        return json_lines("plugin", [to_json(plugin) for plugin in plugins])  # type: ignore[misc]
    head = ("KIND", "NAME", "FROM")
    return columns([head, *((p.kind, p.name, f"{p.package} {p.version}") for p in plugins)])
