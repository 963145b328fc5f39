"""Steps that drop, name and alter a collection: part of `mmc.plan.model`'s list of steps.

A replace is several of them, each recorded by itself, so that an apply which was killed between any
two goes on where it was: aliases are dropped first, since newer servers drop no collection that has
one, and made again as soon as the new collection is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Loss(StrEnum):
    """What a collection that is replaced may have, and mmc cannot give the new one."""

    FUNCTIONS = "functions"
    FIELD_OPTIONS = "field_options"
    INDEXES = "indexes"
    PARTITIONS = "partitions"
    PARTITION_KEY = "partition_key"


@dataclass(frozen=True, slots=True)
class DropAlias:
    """Drops one alias of a collection that is replaced. Empty when the alias is gone already."""

    id: str
    collection: str
    alias: str
    kind: Literal["drop_alias"] = "drop_alias"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropCollection:
    """Drops a collection with all its rows. Empty when it is gone already.

    Attributes:
        lost: what of it the new one will not have, for people.
        claimed: the run that was filling it when planned.
    """

    id: str
    collection: str
    lost: tuple[str, ...] = ()
    claimed: str = ""
    kind: Literal["drop_collection"] = "drop_collection"


@dataclass(frozen=True, slots=True)
class CreateAlias:
    """Makes an alias lead to the collection. Empty when it does already."""

    id: str
    collection: str
    alias: str
    kind: Literal["create_alias"] = "create_alias"


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that gets another value. `before` is None where there was none."""

    name: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterCollection:
    """Sets properties and the description of a collection that exists and stays."""

    id: str
    collection: str
    properties: tuple[Change, ...] = ()
    description: Change | None = None
    kind: Literal["alter_collection"] = "alter_collection"

    @property
    def changes(self) -> tuple[Change, ...]:
        """All of them, the description first."""
        return ((self.description,) if self.description else ()) + self.properties
