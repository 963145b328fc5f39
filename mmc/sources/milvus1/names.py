"""Partition tags -> names that Milvus 2.x takes, each once."""

from __future__ import annotations

import re
from collections.abc import Sequence

LENGTH = 255
"""Longest name of a partition."""
_TAKEN = "_default"
"""The partition that every collection has."""


def partition_names(tags: Sequence[str]) -> dict[str, str]:
    """A name for each tag: the tag itself where Milvus 2.x takes it, else its letters, digits and
    underscores with `_` for the rest, and a number where two would be the same.

    The tags that need no change get their names first, so that no renamed one takes theirs. No tag
    ("") is the default partition, whose name is "".
    """
    names = {tag: tag for tag in tags if _is_name(tag) or not tag}
    used = {_TAKEN, *names.values()}
    for tag in tags:
        if tag in names:
            continue
        wanted = re.sub(r"[^A-Za-z0-9_]", "_", tag)[:LENGTH]
        name, number = wanted, 1
        while name in used:
            number += 1
            name = f"{wanted[: LENGTH - len(str(number)) - 1]}_{number}"
        names[tag] = name
        used.add(name)
    return names


def _is_name(tag: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_]{1,255}", tag) is not None and tag != _TAKEN
