"""Which cast goes from an Arrow type to a Milvus type."""

from __future__ import annotations

from mmc.casts.kinds import (
    BINARY,
    DATES,
    DECIMALS,
    INT_BITS,
    LISTS,
    MANTISSA,
    TEXT,
    TIMES,
    UINT_BITS,
    UNKNOWN,
    Ways,
)
from mmc.casts.table import CASTS, Cast, Refused
from mmc.casts.vectors import to_sparse, to_vector
from mmc.types import FLOATS, INTEGERS, ArrowType, FieldType, TypeKind, nearest

_BITS = {TypeKind.INT8: 8, TypeKind.INT16: 16, TypeKind.INT32: 32, TypeKind.INT64: 64}
_EPOCHS = ("epoch_s", "epoch_ms", "epoch_us", "epoch_ns")


def choose(
    source: ArrowType, target: FieldType, *, wanted: str = "", json_text: bool = False
) -> Cast | Refused:
    """The cast from a source column to a target type.

    Args:
        wanted: a name of CASTS that the spec asks for; "" takes the default.
        json_text: the source says that its strings are JSON documents.
    """
    if wanted and wanted not in CASTS:
        guess = nearest(wanted, list(CASTS))
        hint = f"did you mean {guess}?" if guess else "casts: " + ", ".join(CASTS)
        return Refused(f"`{wanted}` is not a cast", hint)
    ways = _ways(source, target, json_text)
    if wanted:
        if wanted in ways.all:
            return CASTS[wanted]
        possible = "possible: " + ", ".join(ways.all) if ways.all else ways.hint
        return Refused(f"cast {wanted} does not go from {source} to {target}", possible)
    if ways.default:
        return CASTS[ways.default]
    return Refused(ways.reason or f"{source} does not go into {target}", ways.hint)


def element_cast(source: ArrowType, target: FieldType, name: str) -> Cast | Refused:
    """The cast of the elements of a list, given the name of the list's cast into an array."""
    assert source.element is not None and target.element is not None
    return choose(source.element, target.element, wanted="" if name == "array" else name)


def _ways(source: ArrowType, target: FieldType, json_text: bool) -> Ways:
    if source.kind == "dictionary" and source.element is not None:
        return _ways(source.element, target, json_text)
    if source.kind == "null":
        return Ways("nulls")
    match target.kind:
        case kind if kind in INTEGERS:
            return _to_integer(source, kind)
        case kind if kind in FLOATS:
            return _to_float(source, kind)
        case TypeKind.BOOL:
            return _to_bool(source)
        case TypeKind.VARCHAR:
            return _to_varchar(source)
        case TypeKind.JSON:
            return _to_json(source)
        case TypeKind.ARRAY:
            return _to_array(source, target)
        case TypeKind.SPARSE_FLOAT_VECTOR:
            return to_sparse(source)
        case _:
            return to_vector(source, target)


def _to_integer(source: ArrowType, kind: TypeKind) -> Ways:
    bits, head = _BITS[kind], source.kind
    if head == str(kind):
        return Ways("identity")
    if head == "bool":
        return Ways("widen")
    if head in INT_BITS:
        return Ways("widen" if INT_BITS[head] < bits else "narrow")
    if head in UINT_BITS:
        return Ways("widen" if UINT_BITS[head] < bits else "narrow")
    if head in MANTISSA or head in DECIMALS:
        return Ways("whole")
    if head in TEXT:
        return Ways("parse", _EPOCHS if kind is TypeKind.INT64 else ())
    if kind is TypeKind.INT64 and (head == "timestamp" or head in DATES):
        return Ways(
            _default_epoch(source), tuple(e for e in _EPOCHS if e != _default_epoch(source))
        )
    if head == "timestamp" or head in DATES:
        return Ways(
            reason=f"{source} does not fit {kind}", hint="write type: int64, or varchar(32)"
        )
    return Ways()


def _default_epoch(source: ArrowType) -> str:
    if source.kind in DATES:
        return "epoch_ms"
    unit = source.detail.strip("[]").split(",")[0]
    return f"epoch_{unit}"


def _to_float(source: ArrowType, kind: TypeKind) -> Ways:
    mantissa = 24 if kind is TypeKind.FLOAT else 53
    head = source.kind
    if head in MANTISSA:
        return Ways("finite") if MANTISSA[head] <= mantissa else Ways("exact", ("round",))
    if head in INT_BITS or head in UINT_BITS:
        signed = INT_BITS[head] - 1 if head in INT_BITS else UINT_BITS[head]
        return Ways("widen") if signed <= mantissa else Ways("exact", ("round",))
    if head in DECIMALS:
        return Ways(
            named=("round",),
            reason=f"{source} is exact, and {kind} would round it",
            hint="write cast: round, or type: varchar(48) for the exact text",
        )
    return Ways("parse") if head in TEXT else Ways()


def _to_bool(source: ArrowType) -> Ways:
    if source.kind == "bool":
        return Ways("identity")
    if source.kind in TEXT:
        return Ways("parse")
    if source.kind in INT_BITS or source.kind in UINT_BITS:
        return Ways(reason=f"{source} is no truth value", hint="write expr, such as `flag <> 0`")
    return Ways()


def _to_varchar(source: ArrowType) -> Ways:
    head = source.kind
    if head in TEXT:
        return Ways("fits", ("wkt",))
    if head in BINARY:
        return Ways("utf8", ("base64", "hex"))
    if head == "timestamp" or head in DATES or head in TIMES:
        return Ways("iso")
    if (
        head == "bool"
        or head in INT_BITS
        or head in UINT_BITS
        or head in MANTISSA
        or head in DECIMALS
    ):
        return Ways("text")
    if head in LISTS or head in ("struct", "map"):
        if found := json_problem(source):
            return found
        return Ways("json")
    return Ways()


def _to_json(source: ArrowType) -> Ways:
    if source.kind in TEXT:
        return Ways("json_text", ("json",))
    if source.kind in BINARY:
        return Ways(
            named=("base64",),
            reason=f"{source} has no form in JSON",
            hint="write cast: base64, or type: varchar(n) with cast: hex",
        )
    return json_problem(source) or Ways("json")


def json_problem(source: ArrowType) -> Ways | None:
    """Why a value of this type, or of a type inside it, cannot be written as JSON."""
    head = source.kind
    if head in BINARY:
        return Ways(
            reason=f"{source} has no form in JSON", hint="write expr with to_base64(column)"
        )
    if head in LISTS or head == "dictionary":
        assert source.element is not None
        return json_problem(source.element)
    if head == "map":
        (_, key), (_, value) = source.members
        if key.kind in TEXT or key.kind in INT_BITS or key.kind in UINT_BITS:
            return json_problem(value)
        return Ways(reason=f"keys of type {key} have no form in JSON", hint=UNKNOWN)
    if head == "struct":
        return next(filter(None, (json_problem(type_) for _, type_ in source.members)), None)
    scalar = (
        head in TEXT
        or head in INT_BITS
        or head in UINT_BITS
        or head in MANTISSA
        or head in DECIMALS
        or head in DATES
        or head in TIMES
        or head in ("bool", "null", "timestamp")
    )
    return None if scalar else Ways(reason=f"{source} has no form in JSON")


def _to_array(source: ArrowType, target: FieldType) -> Ways:
    if source.kind in TEXT:
        return Ways("parse")
    if source.kind not in LISTS:
        return Ways(reason=f"{source} is no list", hint='write expr: "[column]" for a list of one')
    assert source.element is not None and target.element is not None
    if source.element.kind in LISTS or source.element.kind in ("struct", "map"):
        return Ways(
            reason=f"{source} holds nested values, which an array cannot", hint="write type: json"
        )
    inner = _ways(source.element, target.element, json_text=False)
    if not inner.default:
        return Ways(
            "",
            inner.named,
            f"elements: {inner.reason or f'{source.element} does not go into {target.element}'}",
            inner.hint,
        )
    return Ways("array", inner.named)
