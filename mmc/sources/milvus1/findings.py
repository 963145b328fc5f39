"""What was found about one collection: errors, warnings and notes, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mmc.diagnostics import Diagnostic, Severity
from mmc.sources.milvus1.ids import Repeats, Run
from mmc.sources.milvus1.segment import Segment
from mmc.text import many


@dataclass(slots=True)
class Findings:
    """Collects; `failed` tells that the collection cannot be migrated as it is."""

    name: str
    problems: list[Diagnostic] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(problem.is_error for problem in self.problems)

    def error(self, code: str, text: str, hint: str) -> None:
        self.problems.append(Diagnostic(code, f"`{self.name}`: {text}", hint=hint))

    def warning(self, code: str, text: str, hint: str = "") -> None:
        self.problems.append(
            Diagnostic(code, f"`{self.name}`: {text}", severity=Severity.WARNING, hint=hint)
        )

    def counts(self, segments: Sequence[Segment]) -> None:
        """Rows, and where the metadata counts others: it is lowered after the files, so may lag."""
        off = [one for one in segments if one.counted is not None and one.counted != one.live]
        if off:
            first = off[0]
            self.warning(
                "MMC427",
                f"the metadata counts other rows in {len(off)} of"
                f" {many(len(segments), 'segment')}, such as {first.counted:,} in {first.name},"
                f" whose files hold {first.live:,} live rows",
                "the files are what is migrated; compare with a count in Milvus 1.x if you can",
            )
        deleted = sum(segment.deleted for segment in segments)
        if deleted:
            self.notes.append(
                f"{deleted:,} of {sum(one.rows for one in segments):,} stored rows are deleted"
            )

    def repeats(self, repeats: Repeats, runs: Sequence[Run], policy: str) -> None:
        """Ids in several rows, by what is to be done about them."""
        if repeats.example is None:
            return
        id_, places = repeats.example
        where = " and ".join(
            f"{runs[run].name} row {_place(runs[run], row):,}" for run, row in places
        )
        told = (
            f"{many(repeats.ids, 'id')} in more than one live row,"
            f" {many(repeats.rows, 'row')} too many"
        )
        if policy == "fail":
            self.error(
                "MMC419",
                f"{told}, such as {id_}: {where}",
                "say duplicates: keep_last (the newest row of each), or keep_all (to files only)",
            )
        elif policy == "keep_last":
            self.notes.append(f"{told}: the last row of each is kept")
        else:
            self.notes.append(f"{told}: all are kept")


def _place(run: Run, row: int) -> int:
    import numpy as np

    return int(run.place(np.array([row]))[0])
