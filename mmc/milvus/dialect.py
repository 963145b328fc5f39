"""What each version of Milvus can take: data, not code. Knows no client.

A type is listed only where it was seen to come back exactly, or where the release notes and sources
of that version say so. Servers do not refuse reliably (2.3 ignores `nullable` and dies on unknown
types), so `compile` must.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mmc.errors import TargetError
from mmc.facts import Capabilities
from mmc.milvus import indexrules, scalars
from mmc.milvus.importable import (
    V2_3,
    V2_4,
    V2_4_0,
    V2_4_2,
    V2_4_4,
    V2_5,
    V2_6,
    V2_6_24,
    Imports,
)
from mmc.milvus.schema import OWN_PROPERTIES
from mmc.types import ELEMENTS

_SCALARS = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "float", "double", "varchar", "json", "array"}
)
_ELEMENTS = frozenset(str(kind) for kind in ELEMENTS)
_INDEXES_2_3 = frozenset(
    {
        "AUTOINDEX",
        "FLAT",
        "HNSW",
        "IVF_FLAT",
        "IVF_SQ8",
        "IVF_PQ",
        "SCANN",
        "DISKANN",
        "BIN_FLAT",
        "BIN_IVF_FLAT",
        # By a server that was built for GPUs; its version does not tell.
        "GPU_IVF_FLAT",
        "GPU_IVF_PQ",
    }
)
_INDEXES_2_4 = _INDEXES_2_3 | {
    "SPARSE_INVERTED_INDEX",
    "SPARSE_WAND",
    "GPU_BRUTE_FORCE",
    "GPU_CAGRA",
}
_INDEXES_2_5 = _INDEXES_2_4 | {"HNSW_SQ", "HNSW_PQ", "HNSW_PRQ"}
_INDEXES_2_6 = _INDEXES_2_5 | {"IVF_RABITQ"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How to speak to one line of versions.

    Attributes:
        capabilities: as the facts show them.
        json_as_string: send JSON documents inside a JSON string. Milvus Lite parses a JSON value
            once and stores anything but objects and lists without their JSON form (`"5"` becomes
            `5`, a bare number fails); a string it keeps verbatim.
        insert_replaces: the insert call replaces a row with the same key as a whole. On Milvus Lite
            it does, while its upsert call merges the old row's dynamic fields into the new one,
            which no Milvus server does.
        reserved_keys: names that a dynamic field cannot have: the target would drop them silently.
        positive_sparse: sparse vectors keep only weights above zero; zeros vanish.
        json_objects: refuse the JSON documents that `capabilities.json_objects` speaks of. Not in
            imports: a document in a file is text.
        largest_key: largest int64 key whose row can be found. Milvus 2.3 counts the row with the
            key 2**63-1, but no query returns it.
        page_bytes: most bytes of values asked for in one page when reading back.
        page_rows: most rows of such a page.
        imports: how it imports files, None where it does not.
        imports_refused_at_once: an import into a collection that is not there; 2.3.5 tries it for
            13 s.
        grants_by_name: a privilege is granted by its name, without the kind of its object
            (`grant_privilege_v2` of pymilvus).
    """

    capabilities: Capabilities
    json_as_string: bool = False
    insert_replaces: bool = False
    reserved_keys: frozenset[str] = frozenset({"$meta"})
    positive_sparse: bool = False
    json_objects: bool = False
    largest_key: int = 2**63 - 1
    page_bytes: int = 32 * 2**20
    page_rows: int = 16_384
    imports: Imports | None = None
    imports_refused_at_once: bool = True
    grants_by_name: bool = False


LITE = Dialect(
    capabilities=Capabilities(
        types=_SCALARS | {"float_vector", "sparse_float_vector"},
        elements=_ELEMENTS,
        varchar_unit="characters",
        embedded=True,
        # DISKANN and IVF_PQ are accepted too, but searched as something else.
        index_types=frozenset(
            {
                "AUTOINDEX",
                "FLAT",
                "HNSW",
                "HNSW_SQ",
                "IVF_FLAT",
                "IVF_SQ8",
                "SPARSE_INVERTED_INDEX",
            }
        ),
        scalar_indexes=scalars.LITE,
        index_rules=indexrules.LITE,
        keeps_shards=False,
        keeps_description=False,
        own_properties=OWN_PROPERTIES,
    ),
    json_as_string=True,
    insert_replaces=True,
    reserved_keys=frozenset({"$meta", "_seq", "_partition"}),
    positive_sparse=True,
    # Each page scans and sorts the whole collection, so pages are large; a float of a page is a
    # 32-byte Python object inside the same process, so not too large.
    page_bytes=8 * 2**20,
    page_rows=65_536,
)

_LISTS = (("nlist", 128),)
_INDEX_DEFAULTS = (
    ("BIN_IVF_FLAT", _LISTS),
    ("HNSW", (("M", 30), ("efConstruction", 360))),
    ("IVF_FLAT", _LISTS),
    ("IVF_PQ", (("nbits", 8), *_LISTS)),
    ("IVF_SQ8", _LISTS),
    ("SCANN", _LISTS),
)
"""Knowhere's own, since 2.5. The `m` of IVF_PQ depends on the data and has none."""

_V2_3 = Capabilities(
    types=_SCALARS | {"float_vector", "binary_vector"},
    elements=_ELEMENTS,
    nullable=False,
    defaults=False,
    json_objects=True,
    vector_fields=1,
    index_types=_INDEXES_2_3,
    scalar_indexes=scalars.V2_3,
    index_rules=indexrules.V2_3,
    index_defaults=_INDEX_DEFAULTS,
    index_needs=(("IVF_PQ", ("m",)),),
    index_first=True,
    load_first=True,
    json_bytes=65_536,
    own_properties=OWN_PROPERTIES,
    max_fields=64,
    max_partitions=4096,
    max_shards=16,
)
_V2_4 = replace(
    _V2_3,
    types=_V2_3.types | {"float16_vector", "bfloat16_vector", "sparse_float_vector"},
    json_objects=False,
    vector_fields=10,
    max_vector_fields=4,
    index_types=_INDEXES_2_4,
    scalar_indexes=scalars.V2_4,
    index_rules=indexrules.V2_4,
)
_V2_5 = replace(
    _V2_4,
    nullable=True,
    defaults=True,
    index_types=_INDEXES_2_5,
    scalar_indexes=scalars.V2_5,
    index_rules=indexrules.V2_5,
    index_defaults=(),
    index_needs=(),
    max_partitions=1024,
)
_V2_5_12 = replace(_V2_5, alters_description=True)
_V2_6 = replace(
    _V2_5_12,
    types=_V2_5.types | {"int8_vector"},
    index_types=_INDEXES_2_6,
    scalar_indexes=scalars.V2_6,
    index_rules=indexrules.V2_6,
    index_needs=(("NGRAM", ("min_gram", "max_gram")),),
)
_V3_0 = replace(_V2_6, nullable_vectors=True, index_rules=indexrules.V3_0, max_vector_fields=10)

_D2_3 = Dialect(
    capabilities=_V2_3,
    json_objects=True,
    largest_key=2**63 - 2,
    imports=V2_3,
    imports_refused_at_once=False,
)

SERVERS: tuple[tuple[tuple[int, ...], Dialect], ...] = (
    ((2, 3), _D2_3),
    ((2, 4), Dialect(capabilities=_V2_4, imports=V2_4_0)),
    ((2, 4, 2), Dialect(capabilities=_V2_4, imports=V2_4_2)),
    ((2, 4, 4), Dialect(capabilities=_V2_4, imports=V2_4_4)),
    ((2, 4, 5), Dialect(capabilities=_V2_4, imports=V2_4)),
    ((2, 5), Dialect(capabilities=_V2_5, imports=V2_5, grants_by_name=True)),
    ((2, 5, 12), Dialect(capabilities=_V2_5_12, imports=V2_5, grants_by_name=True)),
    ((2, 6), Dialect(capabilities=_V2_6, imports=V2_6, grants_by_name=True)),
    ((2, 6, 24), Dialect(capabilities=_V2_6, imports=V2_6_24, grants_by_name=True)),
    ((3, 0), Dialect(capabilities=_V3_0, imports=V2_6, grants_by_name=True)),
    ((3, 0, 2), Dialect(capabilities=_V3_0, imports=V2_6_24, grants_by_name=True)),
)
"""First version -> dialect, ascending. A newer server is spoken to as the newest that is known."""

OLDEST = SERVERS[0][0]


def configured(able: Capabilities, json_bytes: int | None) -> Capabilities:
    """With the limits that the options of a target say otherwise. Milvus Lite has none for JSON."""
    return replace(able, json_bytes=json_bytes) if json_bytes and able.json_bytes else able


@dataclass(frozen=True, slots=True)
class Version:
    """A version as people read it (`milvus-lite 3.2.2`, `2.5.8`) and its dialect."""

    text: str
    dialect: Dialect


def version_of(reported: str) -> Version:
    """What `get_server_version` says: "milvus_lite-3.2.2", "v2.5.8", "v2.3.5-lite" (a server).

    Raises:
        TargetError: no version in the text, or older than 2.3 (MMC503).
    """
    if match := re.fullmatch(r"milvus[_-]lite-(.+)", reported):
        return Version(f"milvus-lite {match[1]}", LITE)
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", reported)
    if not match:
        raise TargetError(
            f"the server calls its version `{reported}`, which is no Milvus version",
            hint="check that `uri` is the address of a Milvus 2.x server",
            code="MMC503",
        )
    number = tuple(int(part or 0) for part in match.groups())
    if number < OLDEST:
        raise TargetError(
            f"Milvus {match[0]} is too old: upsert and count(*) came with 2.3",
            hint="upgrade the server to 2.3 or later",
            code="MMC503",
        )
    return Version(match[0], [dialect for first, dialect in SERVERS if first <= number][-1])
