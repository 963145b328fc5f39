"""A row that does not fit its collection: what the transform gives, and a quarantine file holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that does not fit.

    Attributes:
        path, row, unit: its place in the source, as `mmc.arrow.schema.Origin` counts.
        code: of MMC6xx; `reason` says it in words, without the row's values.
        field: the target field that refused it; "where" for a condition that failed.
        values: source values, fit for JSON: NaN as "NaN", bytes as base64, long vectors cut, with
            their length.
    """

    path: str
    row: int
    unit: str
    code: str
    field: str
    reason: str
    values: dict[str, object]
