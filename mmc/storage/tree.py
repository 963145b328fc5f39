"""Files below a folder of this machine, through links to folders too, each folder once; and the
globs that lead below. Says what it left out. Knows no file format.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmc.storage.filesystems import reading_failed

HIDDEN = "`.` or `_` at the beginning of a name"
HALF = "half-written"
LOOP = "a link to a folder above it"
AGAIN = "another name of what is read already"


@dataclass(frozen=True, slots=True)
class Found:
    """A file, or what was left out and why: `reason` is "" for a file.

    Attributes:
        other: for AGAIN, the name by which it is read.
    """

    path: str
    reason: str = ""
    other: str = ""


def hidden(relative: str) -> str:
    """Why a path below a folder is left out; "" if it is not. A folder such as `_day=1` is a part
    of partitioned data, as others with `=` are.
    """
    for part in relative.split("/"):
        if part.startswith(".") or (part.startswith("_") and "=" not in part):
            return HIDDEN
    return HALF if relative.endswith(".partial") else ""


def below(folder: str) -> Iterator[Found]:
    """All files below a folder; what is hidden is left out, a hidden folder as a whole. Raises
    SourceError.
    """
    for found in _walk(folder, lambda name: not hidden(name)):
        reason = found.reason or hidden("/".join(_names(found.path, folder)))
        yield Found(found.path, reason, found.other)


def matches(pattern: str) -> Iterator[Found]:
    """What a glob finds; a folder that it finds stands for all files below it.

    As `glob.glob` with `recursive`, which follows links that lead in circles until the system
    refuses, and takes a time that doubles with each of them; and which passes over what it may not
    read.

    Raises:
        SourceError: a folder cannot be read.
    """
    parts = [part for part in pattern.split("/") if part]
    deep = parts.index("**") if "**" in parts else len(parts)
    roots = ["/" if pattern.startswith("/") else "."]
    for part in parts[:deep]:
        roots = [name for root in roots for name in _named(root, part)]
    tail = parts[deep:]
    dots = any(part.startswith(".") for part in tail)
    for root in roots:
        if not tail:
            yield from below(root) if Path(root).is_dir() else [Found(root)]
        elif Path(root).is_dir():
            for found in _walk(root, lambda name: dots or not name.startswith(".")):
                yield from _fitting(found, _names(found.path, root), tail)


def _fitting(found: Found, names: Sequence[str], tail: Sequence[str]) -> Iterator[Found]:
    if found.reason:
        if not hidden("/".join(names)):
            yield found
    elif _fits(names, tail):
        yield found
    elif whole := next((n for n in range(1, len(names)) if _fits(names[:n], tail)), 0):
        # It is below a folder that the glob finds.
        yield Found(found.path, hidden("/".join(names[whole:])))


def _named(folder: str, part: str) -> Iterator[str]:
    """Names in a folder that one part of a glob finds."""
    if not glob.has_magic(part):
        if os.path.lexists(_joined(folder, part)):
            yield _joined(folder, part)
    elif Path(folder).is_dir():
        for entry in _entries(folder):
            if _fits_one(entry.name, part):
                yield _joined(folder, entry.name)


def _walk(root: str, enter: Callable[[str], bool]) -> Iterator[Found]:
    """Every file below a folder; folders of names that `enter` refuses are left out. Folders that
    are links come after the others, so that one is read by its own name where it has one here.
    """
    first, later = deque([root]), deque[str]()
    seen: dict[tuple[int, int], str] = {}
    while first or later:
        folder = first.popleft() if first else later.popleft()
        try:
            state = Path(folder).stat()
        except OSError as error:
            raise reading_failed(folder, error) from None
        same = seen.setdefault((state.st_dev, state.st_ino), folder)
        if same != folder:
            above = Path(folder).parent.resolve().is_relative_to(Path(same).resolve())
            yield Found(folder, LOOP if above else AGAIN, same)
            continue
        for entry in _entries(folder):
            path = _joined(folder, entry.name)
            if not _is_folder(entry):
                yield Found(path)
            elif not enter(entry.name):
                yield Found(path, HIDDEN)
            else:
                (later if entry.is_symlink() else first).append(path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise reading_failed(folder, error) from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: whoever opens it is told
        return False


def _joined(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder.rstrip('/')}/{name}"


def _names(path: str, root: str) -> list[str]:
    """The parts of a path below a folder."""
    return (path if root == "." else path.removeprefix(root).lstrip("/")).split("/")


def _fits(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the parts of a path are what the parts of a glob say."""
    if not parts:
        return not names
    if parts[0] == "**":
        deeper = bool(names) and not names[0].startswith(".") and _fits(names[1:], parts)
        return deeper or _fits(names, parts[1:])
    return bool(names) and _fits_one(names[0], parts[0]) and _fits(names[1:], parts[1:])


def _fits_one(name: str, part: str) -> bool:
    if name.startswith(".") and not part.startswith("."):
        return False
    return fnmatch.fnmatchcase(name, part)
