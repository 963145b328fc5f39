"""The plug-ins that are installed, and a new one, for `mmc plugins`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from mmc.plan.codec import to_json
from mmc.registry import Plugin
from mmc.views.columns import columns, json_lines


def plugins_text(plugins: Sequence[Plugin], *, as_json: bool) -> str:
    """One line a plug-in."""
    if as_json:
        return json_lines("plugin", [to_json(plugin) for plugin in plugins])  # type: ignore[misc]
    head = ("KIND", "NAME", "FROM")
    return columns([head, *((p.kind, p.name, f"{p.package} {p.version}") for p in plugins)])


def new_plugin_text(files: Sequence[Path], *, as_json: bool) -> str:
    """The files that were written, and what comes next."""
    if as_json:
        return json_lines("file", [{"path": str(file)} for file in files])
    folder = next(file.parent for file in files if file.name == "pyproject.toml")
    listed = "\n".join(f"  {file}" for file in files)
    return (
        f"{listed}\n\nIt passes its tests as it is. To see that:\n"
        f"  cd {shlex.quote(str(folder))}\n  pip install -e '.[test]'\n  pytest\n"
    )
