"""Field types of Elasticsearch and OpenSearch, but vectors: what their values are made into.

A type tells how a value is indexed; what is read is the value in `_source`, as it was sent.
"""

from __future__ import annotations

from mmc.sources.elasticsearch.mapping.column import Kind

SCALARS: dict[str, Kind] = {
    "text": Kind.TEXT,
    "keyword": Kind.TEXT,
    "wildcard": Kind.TEXT,
    "constant_keyword": Kind.TEXT,
    "counted_keyword": Kind.TEXT,
    "version": Kind.TEXT,
    "ip": Kind.TEXT,
    "binary": Kind.TEXT,
    "match_only_text": Kind.TEXT,
    "search_as_you_type": Kind.TEXT,
    "annotated_text": Kind.TEXT,
    "string": Kind.TEXT,
    "icu_collation_keyword": Kind.TEXT,
    "murmur3": Kind.TEXT,
    "unsigned_long": Kind.TEXT,
    "long": Kind.INT64,
    "integer": Kind.INT32,
    "short": Kind.INT16,
    "byte": Kind.INT8,
    "double": Kind.DOUBLE,
    "float": Kind.FLOAT,
    "half_float": Kind.FLOAT,
    "scaled_float": Kind.DOUBLE,
    "boolean": Kind.BOOL,
    "date": Kind.DATE,
    "date_nanos": Kind.DATE_NANOS,
    "rank_feature": Kind.FLOAT,
    "geo_point": Kind.POINT,
}
SPARSE = ("sparse_vector", "rank_features")
NESTED = "nested"
OBJECTS = ("object", "passthrough")
"""Types that have members; a mapping with `properties` and no type is an object too."""

AS_JSON = frozenset(
    {
        "flattened",
        "flat_object",
        "join",
        "integer_range",
        "long_range",
        "float_range",
        "double_range",
        "date_range",
        "ip_range",
        "percolator",
        "completion",
        "histogram",
        "aggregate_metric_double",
        "geo_shape",
        "shape",
        "point",
        "xy_shape",
        "xy_point",
        "semantic_text",
        "rank_vectors",
    }
)

_NOTES: dict[str, str] = {
    "binary": "base64 text, as in `_source`",
    "unsigned_long": "exact decimal text: values may exceed int64; `type: int64` where none does",
    "scaled_float": "as written: not rounded by the scaling factor",
    "annotated_text": "with its annotations, as written",
    "murmur3": "the value as written, not its hash",
    "constant_keyword": "one value for the whole index",
    "semantic_text": "kept as JSON: the text; embeddings that the server made of it are not read",
    "rank_vectors": "kept as JSON: several vectors a document, which no Milvus vector field holds",
    "join": "kept as JSON: name of the relation and parent; Milvus does not join",
    "rank_features": "token weights; a token becomes a dimension by the token table",
    "sparse_vector": "token weights; a token becomes a dimension by the token table",
}
_INTEGERS = (Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64)
_EXACT_IN_DOUBLE = (Kind.INT8, Kind.INT16, Kind.INT32, Kind.FLOAT, Kind.DOUBLE)


def kind_of(es_type: str) -> Kind:
    """Kind of a type that is neither a dense vector nor an object; JSON where it is not known."""
    return Kind.SPARSE if es_type in SPARSE else SCALARS.get(es_type, Kind.JSON)


def note_of(es_type: str) -> str:
    """A line for the plan about values of the type, or ""."""
    if es_type in _NOTES:
        return _NOTES[es_type]
    if es_type in AS_JSON:
        return f"{es_type} kept as JSON"
    if es_type in SCALARS:
        return ""
    return f"type {es_type} is not known: kept as JSON"


def widened(one: Kind, other: Kind) -> Kind | None:
    """The kind that holds the values of both exactly; None where there is none."""
    if one is other:
        return one
    if one in _INTEGERS and other in _INTEGERS:
        return max(one, other, key=_INTEGERS.index)
    if one in _EXACT_IN_DOUBLE and other in _EXACT_IN_DOUBLE:
        return Kind.DOUBLE
    return None
