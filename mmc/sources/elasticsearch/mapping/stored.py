"""What of a mapping is not in `_source`, or is there and in no column, as findings.

Messages name no index: `merging` puts it in front.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from mmc.diagnostics import Diagnostic, Severity

_LONGEST = 8


class Stored:
    """`_source` of an index, by its `includes` and `excludes`."""

    def __init__(self, mappings: Mapping[str, Any]) -> None:
        source = mappings.get("_source") or {}
        self._includes = [_pattern(text) for text in _texts(source.get("includes"))]
        self._excludes = [_pattern(text) for text in _texts(source.get("excludes"))]

    def holds(self, path: str) -> bool:
        """Whether values of the field are kept."""
        if self._includes and not any(pattern.fullmatch(path) for pattern in self._includes):
            return False
        return not any(pattern.fullmatch(path) for pattern in self._excludes)


def _texts(said: Any) -> list[str]:
    return [said] if isinstance(said, str) else [str(text) for text in said or ()]


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern names the fields it matches, and all below them."""
    return re.compile(".*".join(map(re.escape, text.split("*"))) + r"(\..*)?")


def leaves(field: Mapping[str, Any], path: str) -> Iterator[str]:
    """Paths of the fields without members at and below one, nested ones too."""
    members = field.get("properties") or {}
    if not members:
        yield path
    for name, member in members.items():
        yield from leaves(member, f"{path}.{name}")


def on_source(mappings: Mapping[str, Any], mode: str) -> list[Diagnostic]:
    """Findings on `_source` as a whole.

    Args:
        mode: setting `index.mapping.source.mode`, or "".
    """
    source = mappings.get("_source") or {}
    mode = str(source.get("mode") or mode).lower()
    if said(source.get("enabled")) == "false" or mode == "disabled":
        return [
            Diagnostic(
                "MMC455",
                "`_source` is disabled: there are no documents to read",
                hint="index the documents again, from where they came, with `_source` enabled",
            )
        ]
    if mode == "synthetic":
        return [
            Diagnostic(
                "MMC456",
                "`_source` is synthetic: values come back as the index keeps them, lists of"
                " keywords sorted and without repetitions",
                severity=Severity.WARNING,
                hint="compare a few documents with those that were sent, if order matters",
            )
        ]
    return []


def on_excluded(paths: Collection[str], vectors: Collection[str]) -> list[Diagnostic]:
    """Findings on fields that `_source` leaves out, by `includes` and `excludes`.

    Args:
        vectors: those of the paths that are vectors: a collection without them is of no use.
    """
    if not paths:
        return []
    severity = Severity.ERROR if vectors else Severity.WARNING
    names = listed([*vectors, *(path for path in paths if path not in vectors)])
    return [
        Diagnostic(
            "MMC455",
            f"`_source` does not keep {names}: the values cannot be read",
            severity=severity,
            hint="index the documents again, from where they came, without `includes` and"
            " `excludes` in the mapping's `_source`",
        )
    ]


def on_unmapped(places: Mapping[str, str]) -> list[Diagnostic]:
    """Findings on values that the mapping does not name.

    Args:
        places: path of an object ("" the root) -> its setting that lets such values in.
    """
    return [
        _inside(path, setting) if path else _at_root(setting) for path, setting in places.items()
    ]


def _at_root(setting: str) -> Diagnostic:
    return Diagnostic(
        "MMC457",
        f"the mapping has `{setting}`: documents may hold fields that it does not name",
        severity=Severity.WARNING,
        hint="those that the sample shows become JSON columns; raise sample.rows to see more",
    )


def _inside(path: str, setting: str) -> Diagnostic:
    return Diagnostic(
        "MMC457",
        f"`{path}` has `{setting}`: values in it that the mapping does not name become no column",
        severity=Severity.WARNING,
        hint="name them in the mapping (PUT <index>/_mapping) and plan again to have them, or say"
        " unmapped: dynamic",
    )


def said(value: Any) -> str:
    """A setting as text: servers answer `false` and `"false"`."""
    return str(value).lower() if value is not None else ""


def listed(names: Iterable[str]) -> str:
    """Names in a row, not more than fit a line."""
    names = list(names)
    more = len(names) - _LONGEST
    return ", ".join(names[:_LONGEST]) + (f" and {more} more" if more > 0 else "")
