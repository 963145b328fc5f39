"""What the source itself has lost or approximated, and its other notes."""

from __future__ import annotations

from collections.abc import Iterator

from mmc.compile.draft import Draft
from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import SAMPLED


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


def weak_fingerprints(draft: Draft) -> Iterator[Diagnostic]:
    """MMC300: a change of a file may go unseen."""
    for collection in draft.collections:
        files = [file for file, mark in collection.source.fingerprint if SAMPLED in mark]
        if files:
            more = f" and {len(files) - 3} more" if len(files) > 3 else ""
            yield draft.finding(
                "MMC300",
                f"the server tells neither a version nor a date of {', '.join(files[:3])}{more}: a"
                " change is seen by the size and by sampled bytes only",
                ("source",),
                severity=Severity.WARNING,
                hint="let nobody write there until the migration is done, or copy the files first",
            )


def source_notes(draft: Draft) -> Iterator[Diagnostic]:
    """MMC380: whatever else the source says about a collection."""
    for collection in draft.collections:
        for note in collection.source.notes:
            yield draft.finding(
                "MMC380", f"`{collection.source.name}`: {note}", ("source",), severity=Severity.NOTE
            )
