"""Empty files that say which run is writing to a folder. Whoever marks a folder second finds the
other's mark, so that two runs never both go on; where they come at the same moment, neither does.
"""

from __future__ import annotations

from collections.abc import Mapping

from mmc.errors import SourceError, TargetBusy, TargetError
from mmc.storage import urls
from mmc.types import JsonValue

_PREFIX = "written-by-"


def mark(folder: str, storage: Mapping[str, JsonValue], run: str) -> None:
    """Marks a folder as one that a run is writing to.

    Raises:
        TargetError: another run is (MMC581).
    """
    own = urls.join_url(folder, _PREFIX + run)
    urls.write_text(own, "", storage)
    try:
        refuse_others(folder, storage, run)
    except TargetError:
        urls.delete([own], storage)
        raise


def unmark(folder: str, storage: Mapping[str, JsonValue], run: str) -> None:
    """Takes the mark off. Harmless when done already."""
    urls.delete([urls.join_url(folder, _PREFIX + run)], storage)


def refuse_others(folder: str, storage: Mapping[str, JsonValue], run: str) -> None:
    """Raises TargetError (MMC581) where a folder has the mark of another run."""
    try:
        found = [path for path, _ in urls.list_files(folder, storage)]
    except SourceError as error:
        kind = TargetBusy if error.retryable else TargetError
        raise kind(str(error), hint=error.hint, code=error.code) from None
    for path in found:
        # One that was killed while it made its mark left half of it.
        owner = path.removeprefix(_PREFIX).removesuffix(".partial")
        if path.startswith(_PREFIX) and owner != run:
            raise TargetError(
                f"run {owner} is writing to {folder}, or was stopped while it did",
                hint="wait for that run, or apply its plan again to finish it; to go on without"
                f" it, remove the file {path} there",
                code="MMC581",
            )
