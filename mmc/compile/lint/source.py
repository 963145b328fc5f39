"""What the source itself has lost or approximated, and its other notes."""

from __future__ import annotations

from collections.abc import Iterator

from mmc.compile.draft import Draft
from mmc.diagnostics import Diagnostic, Severity


def lossy_vectors(draft: Draft) -> Iterator[Diagnostic]:
    """MMC381: vectors are decoded approximations."""
    for collection in draft.collections:
        if collection.source.lossy:
            yield draft.finding(
                "MMC381",
                f"vectors of `{collection.source.name}` are approximations, decoded from "
                f"{collection.source.lossy}",
                ("source", "allow_lossy"),
                severity=Severity.WARNING,
                hint="migrate from the original vectors where they still exist",
            )


def lost_rows(draft: Draft) -> Iterator[Diagnostic]:
    """MMC382: the source counts rows that it does not hold."""
    for collection in draft.collections:
        if collection.source.lost:
            yield draft.finding(
                "MMC382",
                f"`{collection.source.name}` counts {collection.source.lost:,} rows that it does "
                "not hold; they were lost before this migration",
                ("source",),
                severity=Severity.WARNING,
            )


def source_notes(draft: Draft) -> Iterator[Diagnostic]:
    """MMC380: whatever else the source says about a collection."""
    for collection in draft.collections:
        for note in collection.source.notes:
            yield draft.finding(
                "MMC380", f"`{collection.source.name}`: {note}", ("source",), severity=Severity.NOTE
            )
