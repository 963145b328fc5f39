"""What a plan leaves of a collection beside its rows, told from the steps. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mmc.plan.ddl import AlterCollection, CreateAlias
from mmc.plan.model import BuildIndex, CreateCollection, Plan, WriteManifest
from mmc.types import Collection, Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A collection as the plan leaves it.

    Attributes:
        left_out: fields that may be there and are not in `schema`.
        indexes: (field, index) pairs.
        consistency, key_partitions: "" and 0 where the plan leaves them to the target.
    """

    schema: Collection
    left_out: tuple[str, ...] = ()
    indexes: tuple[tuple[str, Index], ...] = ()
    aliases: tuple[str, ...] = ()
    consistency: str = ""
    key_partitions: int = 0


def planned(plan: Plan, collection: str) -> Planned:
    """What the steps of a plan make of a collection, and leave as it was."""
    (create,) = (
        step
        for step in plan.steps
        if isinstance(step, CreateCollection) and step.collection.name == collection
    )
    schema, indexes, aliases = create.collection, [*create.indexes], [*create.aliases]
    for step in plan.steps:
        match step:
            case AlterCollection() if step.collection == collection:
                schema = _altered(schema, step)
            case BuildIndex() if step.collection == collection:
                indexes.append((step.field, step.index))
            case CreateAlias() if step.collection == collection:
                aliases.append(step.alias)
            case WriteManifest():
                entries = (it for it in step.collections if it.collection.name == collection)
                indexes += [pair for entry in entries for pair in entry.indexes]
    return Planned(
        schema=schema,
        left_out=create.left_out,
        indexes=tuple(sorted(indexes, key=lambda pair: pair[0])),
        aliases=tuple(sorted(aliases)),
        consistency=create.consistency,
        key_partitions=create.key_partitions,
    )


def _altered(schema: Collection, step: AlterCollection) -> Collection:
    properties = dict(schema.properties) | {one.name: one.after for one in step.properties}
    description = step.description.after if step.description else schema.description
    return replace(schema, properties=tuple(sorted(properties.items())), description=description)
