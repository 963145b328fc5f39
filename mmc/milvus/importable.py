"""What each version of Milvus can import, and in which formats: data, not code.

Import is stricter than insert about types, and laxer about values. A type is listed where 2.3.5 was
seen to bring it in exactly; for later versions, where their readers' sources say so.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace

from mmc.facts import Capabilities
from mmc.types import ELEMENTS, Field, TypeKind

_BATCH_BYTES = 64 << 20

_PLAIN = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "float", "double", "varchar", "json"}
)


@dataclass(frozen=True, slots=True)
class ImportFormat:
    """One format of files.

    Attributes:
        types: names of the Milvus types that come in exactly.
        nullable: fields that may be null can be in it; NumPy has no place for a null, and 2.5
            refuses it for a collection that has such a field.
        empty_is_null: an empty array comes in as null where the field is nullable.
        elements: types of array elements that come in exactly. 2.3 reads doubles of row JSON as
            singles there.
    """

    name: str
    types: frozenset[str]
    _: KW_ONLY
    nullable: bool = False
    empty_is_null: bool = False
    elements: frozenset[str] = frozenset(str(kind) for kind in ELEMENTS)

    def carries(self, field: Field) -> bool:
        """Whether every value of the field comes in exactly."""
        element = field.type.element
        return (
            field.type.kind in self.types
            and (element is None or element.kind in self.elements)
            and (self.nullable or not field.nullable)
            and not (self.empty_is_null and field.nullable and element is not None)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """How one line of versions imports.

    Attributes:
        formats: in order of preference.
        files: groups of files that one request may have.
        rest: by the REST interface, which came with 2.4; else by `do_bulk_insert`.
        keys: a request may have a key, and the server begins none twice.
        index_first: an import builds the index that is there before it is complete.
        flaw: why imports are better left alone; "" where they are not.
        partition_key_flaw: why rows must not be imported by a partition key.
    """

    formats: tuple[ImportFormat, ...]
    files: int
    rest: bool
    keys: bool = False
    index_first: bool = True
    flaw: str = ""
    partition_key_flaw: str = ""

    def format(self, name: str) -> ImportFormat:
        """Raises KeyError."""
        for one in self.formats:
            if one.name == name:
                return one
        raise KeyError(name)


_VECTORS_2_3 = frozenset({"float_vector", "binary_vector"})
_VECTORS_2_4 = _VECTORS_2_3 | {"float16_vector", "bfloat16_vector"}
_VECTORS_2_6 = _VECTORS_2_4 | {"int8_vector"}
_SPARSE = frozenset({"sparse_float_vector"})
_ARRAY = frozenset({"array"})

V2_3 = Imports(
    formats=(
        ImportFormat("parquet", _PLAIN | _ARRAY | _VECTORS_2_3),
        ImportFormat("numpy", _PLAIN | _VECTORS_2_3),
        ImportFormat(
            "json",
            _PLAIN | _ARRAY | _VECTORS_2_3,
            elements=frozenset(str(kind) for kind in ELEMENTS if kind is not TypeKind.DOUBLE),
        ),
    ),
    files=1,
    rest=False,
    index_first=False,
)
V2_4 = Imports(
    formats=(
        ImportFormat("parquet", _PLAIN | _ARRAY | _SPARSE | _VECTORS_2_4),
        ImportFormat("numpy", _PLAIN | _VECTORS_2_4),
        ImportFormat("json", _PLAIN | _ARRAY | _SPARSE | _VECTORS_2_4),
    ),
    files=16,
    rest=True,
)


def _without(imports: Imports, **types: frozenset[str]) -> Imports:
    """Without some types in some formats."""
    formats = (
        replace(one, types=one.types - types.get(one.name, frozenset())) for one in imports.formats
    )
    return replace(imports, formats=tuple(formats))


_HALVES = frozenset({"float16_vector", "bfloat16_vector"})
V2_4_4 = _without(V2_4, numpy=_HALVES)
"""NumPy files of halves as bytes came with PR 33788, in 2.4.5."""
V2_4_2 = replace(
    _without(V2_4_4, parquet=_HALVES | _SPARSE, json=_HALVES | _SPARSE),
    flaw="Milvus before 2.4.4 deletes the statistics of imported segments some time after the"
    " import, and cannot load them then (milvus#33476)",
)
"""Sparse vectors as JSON text and halves as lists of floats came with PR 33391, in 2.4.4."""
V2_4_0 = replace(
    V2_4_2,
    partition_key_flaw="Milvus before 2.4.2 imports rows into wrong partitions of a partition key,"
    " so that a filter by it does not find them (milvus#33237)",
)


def _with_nulls(imports: Imports, vectors: frozenset[str]) -> Imports:
    """With nulls wherever a format has a place for them, and more vector types.

    The readers of Parquet take a list without elements for a null: in 2.5 by field_reader.go, later
    by list_like.go (milvus#53438; mended by PR 53535, in no release that is known here).
    """
    formats = (
        replace(
            one,
            types=one.types | vectors,
            nullable=one.name != "numpy",
            empty_is_null=one.name == "parquet",
        )
        for one in imports.formats
    )
    return replace(imports, formats=tuple(formats))


V2_5 = _with_nulls(V2_4, _VECTORS_2_4)
V2_6 = _with_nulls(V2_4, _VECTORS_2_6)
V2_6_24 = replace(V2_6, keys=True)


def import_capabilities(server: Capabilities, imports: Imports) -> Capabilities:
    """What a server can take by import. `server`: what it can take at all."""
    types: frozenset[str] = frozenset().union(*(one.types for one in imports.formats))
    return replace(
        server,
        types=types,
        keyed_replay=False,
        whole_files=False,
        auto_id=True,
        auto_text_id=False,
        nullable=server.nullable and any(one.nullable for one in imports.formats),
        max_batch_bytes=_BATCH_BYTES,
        json_objects=False,
        imports=True,
        formats=tuple(one.name for one in imports.formats),
        format_types=tuple(sorted((one.name, tuple(sorted(one.types))) for one in imports.formats)),
        format_elements=tuple(
            sorted((one.name, tuple(sorted(one.elements))) for one in imports.formats)
        ),
        format_nulls=tuple(one.name for one in imports.formats if one.nullable),
        format_empty_is_null=tuple(one.name for one in imports.formats if one.empty_is_null),
        import_flaw=imports.flaw,
        partition_key_flaw=imports.partition_key_flaw,
        files_per_import=imports.files,
        index_first=imports.index_first,
        # What is imported into a loaded collection is seen only after a refresh, which is slower.
        load_first=False,
    )
