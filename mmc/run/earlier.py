"""What earlier plans have read, for a source that reads only what came after them."""

from __future__ import annotations

from collections.abc import Sequence

from mmc.errors import SourceError, SpecInvalid
from mmc.plan.codec import read_plan
from mmc.spi import EarlierPlan


def earlier_plans(paths: Sequence[str]) -> tuple[EarlierPlan, ...]:
    """The pieces that these plans read, one value a file.

    Args:
        paths: files or URLs of saved plans.

    Raises:
        SourceError: a file cannot be read, or is no plan (MMC468).
    """
    return tuple(_read(EarlierPlan(path)) for path in paths)


def _read(earlier: EarlierPlan) -> EarlierPlan:
    from mmc.storage.urls import open_blob

    try:
        with open_blob(earlier.path, {}) as blob:
            text = blob.read_at(0, blob.size).decode(errors="replace")
        plan = read_plan(text, earlier.path)
    except SourceError as error:
        raise earlier.unusable(f"cannot be read: {error}") from None
    except SpecInvalid as error:
        raise earlier.unusable(f"is no plan: {error}") from None
    splits = (split for copy in plan.copies for split in copy.splits)
    return EarlierPlan(earlier.path, tuple(piece for split in splits for piece in split.pieces))
