"""What each version of Milvus can import, and in which formats: data, not code.

Import is stricter than insert about types, and laxer about values. A type is listed where 2.3.5 was
seen to bring it in exactly; for later versions, where their readers' sources say so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
        elements: types of array elements that come in exactly. 2.3 reads doubles of row JSON as
            singles there.
    """

    name: str
    types: frozenset[str]
    nullable: bool = False
    elements: frozenset[str] = frozenset(str(kind) for kind in ELEMENTS)

    def carries(self, field: Field) -> bool:
        """Whether every value of the field comes in exactly."""
        element = field.type.element
        return (
            field.type.kind in self.types
            and (element is None or element.kind in self.elements)
            and (self.nullable or not field.nullable)
        )


@dataclass(frozen=True, slots=True)
class Imports:
    """How one line of versions imports.

    Attributes:
        formats: in order of preference.
        files: groups of files that one request may have.
        rest: by the REST interface, which came with 2.4; else by `do_bulk_insert`.
        keys: a request may have a key, and the server begins none twice.
        index_first: an import builds the index that is there before it is complete.
    """

    formats: tuple[ImportFormat, ...]
    files: int
    rest: bool
    keys: bool = False
    index_first: bool = True

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
    (
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
    (
        ImportFormat("parquet", _PLAIN | _ARRAY | _SPARSE | _VECTORS_2_4),
        ImportFormat("numpy", _PLAIN | _VECTORS_2_4),
        ImportFormat("json", _PLAIN | _ARRAY | _SPARSE | _VECTORS_2_4),
    ),
    files=16,
    rest=True,
)


def _with_nulls(imports: Imports, vectors: frozenset[str]) -> Imports:
    """With nulls wherever a format has a place for them, and more vector types."""
    formats = (
        replace(one, types=one.types | vectors, nullable=one.name != "numpy")
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
        files_per_import=imports.files,
        index_first=imports.index_first,
        # What is imported into a loaded collection is seen only after a refresh, which is slower.
        load_first=False,
    )
