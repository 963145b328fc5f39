"""Bad rows, and the one file a split that they go to: JSON lines, written aside and renamed at
commit.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from mmc.errors import TargetError
from mmc.events import Rejection
from mmc.saving import new_file
from mmc.transform.badrow import BadRow


class Quarantine:
    """The quarantine file of one split, `<directory>/<step>-<split>.jsonl`.

    There is no file when no row was bad. A replay of the split replaces what an earlier attempt
    left.
    """

    def __init__(self, directory: Path, step: str, split: str) -> None:
        self._path = directory / f"{step}-{split}.jsonl"
        self._partial = self._path.with_name(self._path.name + ".partial")
        self._file: TextIO | None = None
        self._reasons: Counter[tuple[str, str, str]] = Counter()

    def add(self, bad: Sequence[BadRow]) -> None:
        """Writes rows. Raises TargetError."""
        with self._failures():
            if bad and self._file is None:
                self._partial.parent.mkdir(0o700, parents=True, exist_ok=True)
                self._file = os.fdopen(new_file(self._partial, 0o600), "w", encoding="utf-8")
            for row in bad:
                assert self._file is not None
                json.dump(asdict(row), self._file, ensure_ascii=False, allow_nan=False)
                self._file.write("\n")
                self._reasons[row.code, row.field, row.reason] += 1

    def commit(self) -> Path | None:
        """Makes the file final and gives its path; None, and no file, when no row was bad.

        Raises:
            TargetError: the disk is full, or the folder cannot be written.
        """
        with self._failures():
            if self._file is None:
                self._partial.unlink(missing_ok=True)
                self._path.unlink(missing_ok=True)
                return None
            file, self._file = self._file, None
            file.close()
            self._partial.replace(self._path)
            return self._path

    def abort(self) -> None:
        """Removes what was begun. What an earlier attempt committed stays."""
        if self._file is not None:
            file, self._file = self._file, None
            # Closing writes what is buffered; on a full disk that fails again, and is not needed.
            with suppress(OSError):
                file.close()
            self._partial.unlink(missing_ok=True)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TargetError(
                f"the quarantine file cannot be written: {self._path}: {error.strerror}",
                hint="make room, then apply again",
            ) from error

    def reasons(self) -> tuple[Rejection, ...]:
        """Why rows are in it, the most frequent first."""
        return tuple(Rejection(*key, count) for key, count in self._reasons.most_common())
