"""The columns of a collection: ids, vectors, and the partition tag where it becomes a field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mmc.arrow.evidence import sampled_evidence
from mmc.facts import Evidence, Extent, SourceField
from mmc.sources.milvus1.indexes import Mapped
from mmc.sources.milvus1.live import LiveCollection
from mmc.sources.milvus1.options import Milvus1Options
from mmc.sources.milvus1.read import read_piece
from mmc.spi import Sample
from mmc.types import Field, FieldType, TypeKind

if TYPE_CHECKING:
    import pyarrow as pa

TAG = 255
"""Most bytes of a partition tag."""
_BY_SERVER = 1
"""Bit of `Tables.flag`: the server made the ids."""


def vector_type(live: LiveCollection) -> FieldType:
    """Raises TypeSyntaxError when no Milvus type has this dimension."""
    kind = TypeKind.BINARY_VECTOR if live.binary else TypeKind.FLOAT_VECTOR
    return FieldType(kind, dim=live.dimension)


def describe_fields(
    live: LiveCollection,
    mapped: Mapped,
    extents: tuple[Extent, ...],
    options: Milvus1Options,
    sample: Sample,
    *,
    unique: bool,
    repeated: bool,
) -> tuple[SourceField, ...]:
    """Ids may be `unique`, or `repeated` and all kept; else the run looks for repeats itself."""
    type_ = vector_type(live)
    width = type_.bytes_per_vector
    vector = (
        f"fixed_size_binary[{width}]" if live.binary else f"fixed_size_list<float>[{type_.dim}]"
    )
    found = _sampled(extents, options, sample)
    by = "ids made by the server" if live.flag & _BY_SERVER else "ids of Milvus 1.x"
    fields = [
        SourceField(
            "id",
            "int64",
            key=True,
            unique=unique,
            repeated=repeated,
            nullable=False,
            evidence=found.get("id", Evidence()),
            note=by,
        ),
        SourceField(
            "vector",
            vector,
            vector=str(type_),
            nullable=False,
            index=mapped.index,
            evidence=found.get("vector", Evidence()),
            note=mapped.note,
        ),
    ]
    if options.partition_field:
        tags = [part.tag for part in live.partitions]
        fields.append(
            SourceField(
                options.partition_field,
                "string",
                nullable=False,
                evidence=Evidence(
                    rows=len(tags),
                    max_bytes=max(len(tag.encode()) for tag in tags),
                    examples=tuple(tags[1:4]),
                ),
                note="partition tag",
                declared=Field(options.partition_field, FieldType(TypeKind.VARCHAR, length=TAG)),
            )
        )
    return tuple(fields)


def _sampled(
    extents: tuple[Extent, ...], options: Milvus1Options, sample: Sample
) -> dict[str, Evidence]:
    def read(piece: Extent, rows: int) -> Iterator[pa.RecordBatch]:
        columns = ("id", "vector")
        return read_piece(piece, columns, rows, options.partition_field, options.files)

    return sampled_evidence(extents, sample.rows, sample.seed, read)
