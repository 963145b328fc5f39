"""Paths, folders and globs -> files, each once, and what was left out on the way. Knows no file
format.
"""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmc.errors import FileMissing, SourceError
from mmc.storage.failures import world_errors
from mmc.storage.filesystems import filesystem, is_local, local_path, reading_failed
from mmc.storage.names import as_text, refuse_bytes
from mmc.storage.tree import AGAIN, Found, below, hidden, matches
from mmc.text import many
from mmc.types import JsonValue

MARKER = "an empty object that stands for a folder"
_MARKERS = ("/", "_$folder$")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Listing:
    """What some paths name.

    Attributes:
        files: sorted, each once.
        given: those of them that a path names by itself, not a folder or a glob.
        left_out: what was passed over, and why.
    """

    files: tuple[str, ...]
    given: frozenset[str] = frozenset()
    left_out: tuple[Found, ...] = ()

    @property
    def text(self) -> str:
        """One line: how many files there are, how many were left out, and why."""
        found = f"{many(len(self.files), 'file')} found"
        if not self.left_out:
            return f"{found}, none left out"
        reasons = Counter(one.reason for one in self.left_out)
        told = []
        for reason, count in sorted(reasons.items()):
            names = [one.path for one in self.left_out if one.reason == reason]
            shown = ", ".join(map(as_text, names[:_SHOWN])) + (", ..." if count > _SHOWN else "")
            told.append(f"{reason} ({count:,}: {shown})")
        return f"{found}, {len(self.left_out):,} left out: {'; '.join(told)}"


def find_files(paths: str | Sequence[str], storage: Mapping[str, JsonValue]) -> Listing:
    """The files that paths, folders and globs name.

    A folder, also one that a glob finds, stands for all files below it, through links too; names
    that begin with `.` or `_` (as in `_SUCCESS`) are left out there, and so are `*.partial`. A path
    that exists is taken literally, even with `[` in its name. A file that has several names is
    taken once: by the one that is no link.

    Raises:
        SourceError: one of the patterns finds nothing, a folder cannot be read, something found is
            no file, or a name is not UTF-8.
    """
    found: list[Found] = []
    given: set[str] = set()
    for pattern in [paths] if isinstance(paths, str) else paths:
        named, some = _local(pattern) if is_local(pattern) else _remote(pattern, storage)
        files = [one.path for one in some if not one.reason]
        if not files:
            passed = Listing((), left_out=tuple(some)).text if some else ""
            raise FileMissing(
                f"{pattern}: no file found" + (f" ({passed})" if passed else ""),
                hint="give a file, a folder, or a glob such as 'data/*.parquet' or 'data/**/*.npy'",
                code="MMC430",
            )
        given.update(files if named else ())
        found += some
    for one in found:
        if not one.reason:
            refuse_bytes(one.path)
    files, others = _once({one.path for one in found if not one.reason})
    passed_over = {one.path: one for one in found if one.reason and one.path not in files}
    passed_over |= {one.path: one for one in others}
    left_out = tuple(passed_over[path] for path in sorted(passed_over))
    return Listing(tuple(files), frozenset(given) & set(files), left_out)


def _once(names: set[str]) -> tuple[list[str], list[Found]]:
    """Sorted, each file of this machine by one name; and the other names. Raises SourceError."""
    first: dict[object, str] = {}
    others: list[Found] = []
    for _, name in sorted((_is_link(name), name) for name in names):
        same = first.setdefault(_identity(name), name)
        if same != name:
            others.append(Found(name, AGAIN, same))
    return sorted(first.values()), others


def _is_link(name: str) -> bool:
    return is_local(name) and os.path.realpath(name) != str(Path(name).absolute())


def _identity(name: str) -> object:
    """What two names of one file have in common."""
    if not is_local(name):
        return name
    try:
        state = Path(name).stat()
    except OSError as error:
        raise reading_failed(name, error) from None
    if not stat.S_ISREG(state.st_mode):
        raise SourceError(
            f"{name}: is no regular file: a pipe or a device cannot be read twice",
            hint="write what comes out of it into a file",
            code="MMC431",
        )
    return state.st_dev, state.st_ino


def _local(pattern: str) -> tuple[bool, list[Found]]:
    """Whether it is the name of one file, and what it finds."""
    path = local_path(pattern)
    try:
        if path.is_dir():
            return False, list(below(str(path)))
        if path.exists():
            return True, [Found(str(path))]
        return False, list(matches(str(path))) if glob.has_magic(str(path)) else []
    except (OSError, ValueError) as error:  # a name that no file can have
        raise reading_failed(pattern, error) from None


def _remote(pattern: str, storage: Mapping[str, JsonValue]) -> tuple[bool, list[Found]]:
    """The same of a URL."""
    if "::" in pattern:
        return True, [Found(pattern)]
    system, path = filesystem(pattern, storage)
    try:
        if system.isfile(path):
            return True, [Found(system.unstrip_protocol(path))]
        names: list[tuple[str, str]] = []
        folders = [path]
        if glob.has_magic(path):
            infos = system.glob(path, detail=True).items()
            dotted = path.rpartition("/")[2].startswith(".")
            shown = [(name, info["type"]) for name, info in infos if dotted or "/." not in name]
            names = [(name, "") for name, kind in shown if kind == "file"]
            folders = [name for name, kind in shown if kind != "file"]
        for folder in folders:
            names += [
                (name, hidden(name[len(folder.rstrip("/")) + 1 :])) for name in system.find(folder)
            ]
    except FileNotFoundError:
        return False, []
    except world_errors(ValueError, NotImplementedError) as error:  # not every store can list
        raise reading_failed(pattern, error) from None
    return False, [
        Found(system.unstrip_protocol(name), MARKER if name.endswith(_MARKERS) else reason)
        for name, reason in names
    ]
