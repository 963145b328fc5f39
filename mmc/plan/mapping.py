"""What a target field is made of: part of `mmc.plan.model`'s copy step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator

from mmc.types import ArrowType, Field, JsonValue


@dataclass(frozen=True, slots=True)
class Column:
    """The values of a source column.

    Attributes:
        arrow: type of the column, before the cast (`ArrowType` text).
        cast: name of a row of `mmc.casts.CASTS`.
    """

    name: str
    arrow: str
    cast: str
    kind: Literal["column"] = "column"


@dataclass(frozen=True, slots=True)
class Expression:
    """SQL over the source columns; `arrow` and `cast` as those of a Column."""

    sql: str
    arrow: str
    cast: str
    kind: Literal["expression"] = "expression"


@dataclass(frozen=True, slots=True)
class Constant:
    """One value for all rows; None is null."""

    value: JsonValue
    kind: Literal["constant"] = "constant"


@dataclass(frozen=True, slots=True)
class Generated:
    """The target makes the value (auto-id): the field is not in a batch."""

    kind: Literal["generated"] = "generated"


Origin: TypeAlias = Annotated[Column | Expression | Constant | Generated, Discriminator("kind")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """How one target field is made.

    Attributes:
        field: the target field, with its type.
        default: JSON value put in the place of a null or missing value; None means none.
        normalize: divide each vector by its Euclidean length; a zero vector is a bad row.
        note: one line for the plan ("date -> epoch milliseconds").
    """

    field: Field
    origin: Origin
    default: JsonValue = None
    normalize: bool = False
    note: str = ""

    @property
    def column(self) -> str:
        """The source column; "" where it is made of something else."""
        return self.origin.name if isinstance(self.origin, Column) else ""

    @property
    def generated(self) -> bool:
        """Whether the target makes the value."""
        return isinstance(self.origin, Generated)


@dataclass(frozen=True, slots=True)
class RestColumn:
    """A source column that goes into the dynamic field, under its own name. `json_text`: parse
    it as JSON first.
    """

    source: str
    arrow: str
    json_text: bool = False


def arrow_type(origin: Column | Expression) -> ArrowType:
    """The type of the values before the cast."""
    return ArrowType.parse(origin.arrow)
