"""What `mmc init` writes down of a draft beside its fields: other names, and what it leaves out.
Pure, as `compile_plan`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mmc.compile.draft import Draft
from mmc.compile.resolve import milvus_name
from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import SourceCollection
from mmc.init.minimal import literal
from mmc.types import JsonValue


def left_out(draft: Draft) -> tuple[Diagnostic, ...]:
    """What a spec made of this draft has no entry for, or one that drops it: damaged collections,
    which stay errors, and columns that no type holds, as warnings. Without a place.
    """
    drafted = {one.source.name for one in draft.collections}
    damaged = [
        problem
        for found in draft.facts.source.collections
        if found.name not in drafted
        for problem in found.problems
    ]
    columns = [
        replace(
            refused.finding,
            severity=Severity.WARNING,
            span=None,
            path="",
            message=f"left out: {refused.finding.message}",
        )
        for one in draft.collections
        for refused in one.refused
    ]
    return (*damaged, *columns)


def distinct(collections: Sequence[SourceCollection]) -> list[JsonValue]:
    """Entries of `collections` that give a name of its own to each collection and each column; none
    where the names that they get by themselves differ.
    """
    entries: list[JsonValue] = []
    own = True
    names = _own_names([one.name for one in collections])
    for one in collections:
        columns = [field.name for field in one.fields if not field.on_request]
        renamed = _renamed(_own_names(columns))
        fields: list[JsonValue] = [
            {"from": literal(name), "to": to} for name, to in renamed.items()
        ]
        entries.append({"from": literal(one.name), "to": names[one.name], "fields": fields})
        own = own and not fields
    return [] if own and not _renamed(names) else entries


def _own_names(names: Sequence[str]) -> dict[str, str]:
    """Name in the source -> in the target: a number ends what would be there twice."""
    taken: dict[str, str] = {}
    plain = {milvus_name(name) for name in names}
    for name in names:
        to = safe = milvus_name(name)
        number = 2
        while to in taken or (to != safe and to in plain):
            to = f"{safe[:250]}_{number}"
            number += 1
        taken[to] = name
    return {name: to for to, name in taken.items()}


def _renamed(names: Mapping[str, str]) -> dict[str, str]:
    return {name: to for name, to in names.items() if to != milvus_name(name)}
