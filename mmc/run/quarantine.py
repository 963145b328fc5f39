"""Bad rows, and the one file a split that they go to: JSON lines, written aside and renamed once
the split is whole. Who copies a split gives its bad rows as data; only the driver has files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Protocol, TextIO

from mmc.errors import TargetError
from mmc.saving import new_file
from mmc.transform.badrow import BadRow


class BadRows(Protocol):
    """Takes the bad rows of one split, on the side of who copies it.

    They are kept for good with the result of the split: its copy ends with that, or with one of
    `drop` and `keep`.
    """

    def add(self, rows: Sequence[BadRow]) -> None:
        """Raises TargetError: they cannot be kept."""

    def drop(self) -> None:
        """Forgets what was added: the split failed, and may begin again."""

    def keep(self) -> None:
        """Keeps what was added although the split failed: it says why. Raises TargetError."""


class Quarantine:
    """The quarantine files of a run, below a folder of the driver's machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: dict[tuple[str, str], QuarantineFile] = {}

    def of(self, step: str, split: str) -> QuarantineFile:
        """The file of a split that is being copied. For any thread, each with its own splits."""
        new = QuarantineFile(self._directory, step, split)
        return self._open.setdefault((step, split), new)

    def commit(self, step: str, split: str) -> QuarantineFile:
        """The file of a split that was copied, final. Raises TargetError."""
        file = self._open.pop((step, split), None) or QuarantineFile(self._directory, step, split)
        file.commit()
        return file

    def path(self, step: str, split: str) -> Path:
        return QuarantineFile(self._directory, step, split).path

    def drop_rest(self) -> None:
        """Removes what was begun of splits that nobody copies any more."""
        while self._open:
            _, file = self._open.popitem()
            file.drop()


class QuarantineFile:
    """The quarantine file of one split, `<directory>/<step>-<split>.jsonl`.

    There is no file when no row was bad. A replay of the split replaces what an earlier attempt
    left.

    Attributes:
        rows: that are in it.
    """

    def __init__(self, directory: Path, step: str, split: str) -> None:
        self.path = directory / f"{step}-{split}.jsonl"
        self.rows = 0
        self._partial = self.path.with_name(self.path.name + ".partial")
        self._file: TextIO | None = None
        self._error: TargetError | None = None

    def add(self, rows: Sequence[BadRow]) -> None:
        """Writes rows. Raises TargetError."""
        with self._failures():
            if rows and self._file is None:
                self._partial.parent.mkdir(0o700, parents=True, exist_ok=True)
                self._file = os.fdopen(new_file(self._partial, 0o600), "w", encoding="utf-8")
            for row in rows:
                assert self._file is not None
                json.dump(asdict(row), self._file, ensure_ascii=False, allow_nan=False)
                self._file.write("\n")
                self.rows += 1

    def commit(self) -> None:
        """Makes the file final; removes it, when no row was bad.

        Raises:
            TargetError: the disk is full, or the folder cannot be written; or some rows could not
                be added.
        """
        if self._error is not None:
            raise self._error
        with self._failures():
            if self._file is None:
                self._partial.unlink(missing_ok=True)
                self.path.unlink(missing_ok=True)
                return
            file, self._file = self._file, None
            file.close()
            self._partial.replace(self.path)

    def keep(self) -> None:
        """See `BadRows`."""
        self.commit()

    def drop(self) -> None:
        """Removes what was begun. What an earlier attempt committed stays."""
        self.rows, self._error = 0, None
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
            self._error = TargetError(
                f"the quarantine file cannot be written: {self.path}: {error.strerror}",
                hint="make room, then apply again",
            )
            raise self._error from error
