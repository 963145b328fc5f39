"""What the settings of an index say about documents that its mapping or a search does not show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.diagnostics import Diagnostic, Severity
from mmc.sources.elasticsearch.mapping.stored import said

BEYOND_LIMIT = "index.mapping.total_fields.ignore_dynamic_beyond_limit"


def on_settings(index: str, settings: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Findings. `settings`: flat, as `GET <index>/_settings?flat_settings` answers."""
    if said(settings.get(BEYOND_LIMIT)) == "true":
        yield Diagnostic(
            "MMC457",
            f"{index}: `{BEYOND_LIMIT}` is true: documents may hold fields that the mapping does"
            " not name",
            severity=Severity.WARNING,
            hint="those that the sample shows become JSON columns; raise sample.rows to see more",
        )
    if said(settings.get("index.refresh_interval")).startswith("-1"):
        yield Diagnostic(
            "MMC464",
            f"{index}: `index.refresh_interval` is -1: what was written since the last refresh is"
            " not seen",
            severity=Severity.WARNING,
            hint=f"POST {index}/_refresh, and plan again",
        )
