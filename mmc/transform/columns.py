"""One column of a canonical batch, compiled from one mapping of the plan: cast, default, null
check, normalisation.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from mmc.arrow.schema import arrow_type, canonical_type
from mmc.casts import Refused, choose
from mmc.errors import ExpressionFailed
from mmc.plan.mapping import Column, Constant, Expression, Mapping
from mmc.transform.kernels import convert
from mmc.transform.kernels.dense import build, from_bfloat16
from mmc.transform.kernels.dense import convert as convert_matrix
from mmc.transform.kernels.faults import (
    NULL,
    ZERO_VECTOR,
    Casted,
    Fault,
    Flags,
    absent,
    fault,
    present,
)
from mmc.transform.kernels.rows import Matrix, matrix_of_bytes, matrix_of_lists
from mmc.types import FLOATS, FieldType, JsonValue, TypeKind

_NORMALIZED = frozenset({TypeKind.FLOAT_VECTOR, TypeKind.FLOAT16_VECTOR, TypeKind.BFLOAT16_VECTOR})

MakeColumn = Callable[[pa.Array | None, int], Casted]
"""Takes the source column (None for a constant) and the number of rows."""


def make_column(mapping: Mapping) -> MakeColumn:
    """Compiles a mapping.

    Raises:
        ExpressionFailed: a constant or default does not fit the field, or the field cannot be
            normalised.
    """
    target, origin = mapping.field.type, mapping.origin
    cast = origin.cast if isinstance(origin, (Column, Expression)) else ""
    try:
        if mapping.normalize and target.kind not in _NORMALIZED:
            raise ValueError(f"{target} cannot be normalised")
        constant = one_value(origin.value, target) if isinstance(origin, Constant) else None
        default = None if mapping.default is None else one_value(mapping.default, target)
    except ValueError as error:
        raise ExpressionFailed(
            f"{mapping.field.name}: {error}",
            hint="plan again: the plan was changed, or made by another mmc",
            code="MMC594",
        ) from None

    def make(array: pa.Array | None, rows: int) -> Casted:
        if constant is not None:
            made = Casted(constant.take(pa.array(np.zeros(rows, dtype=np.int64))))
        else:
            assert array is not None
            made = convert(cast, array, target)
        values, faults = made.values, made.faults
        if values.null_count and default is not None:
            values = _filled(values, default)
        if values.null_count and not mapping.field.nullable:
            faults += _missing(values, faults)
        if mapping.normalize:
            normal = normalized(values, target)
            values, faults = normal.values, faults + normal.faults
        return Casted(values, faults)

    return make


def one_value(value: JsonValue, target: FieldType) -> pa.Array:
    """A JSON value of a plan (constant or default) as a canonical column of one row.

    Raises:
        ValueError: it does not fit.
    """
    if value is None:
        return pa.nulls(1, canonical_type(target))
    if target.kind is TypeKind.JSON:
        return pa.array([json.dumps(value, ensure_ascii=False, allow_nan=False)])
    try:
        source = _as_column(value, target)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise ValueError(f"{json.dumps(value)} does not go into {target}: {error}") from None
    wanted = "round" if _rounds(source.type, target) else ""
    cast = choose(arrow_type(source.type), target, wanted=wanted)
    if isinstance(cast, Refused):
        raise ValueError(f"{json.dumps(value)} does not go into {target}: {cast.reason}")
    made = convert(cast.name, source, target)
    if made.faults:
        raise ValueError(f"{json.dumps(value)} does not go into {target}: {made.faults[0].reason}")
    return made.values


def _as_column(value: JsonValue, target: FieldType) -> pa.Array:
    """One row of the Arrow type that goes into the target. Raises what Arrow does."""
    if isinstance(value, dict):
        return pa.array([json.dumps(value)])
    if isinstance(value, list) and target.kind is TypeKind.BINARY_VECTOR:
        return pa.array([value], pa.list_(pa.uint8()))
    if isinstance(value, list) and target.kind in _NORMALIZED:
        return pa.array([_floats(value)], pa.list_(pa.float64()))
    kind = target.element.kind if target.element is not None else target.kind
    if kind in FLOATS:
        value = [_wide(item) for item in value] if isinstance(value, list) else _wide(value)
    source = pa.array([value])
    if pa.types.is_list(source.type) and pa.types.is_null(source.type.value_type):
        return pa.array([json.dumps(value)])
    return source


def _floats(values: list[JsonValue]) -> list[JsonValue]:
    return [
        float(item) if isinstance(item, int) and not isinstance(item, bool) else item
        for item in values
    ]


def _wide(value: JsonValue) -> JsonValue:
    """A float in the place of a large integer that it holds exactly; Arrow's integers end."""
    if isinstance(value, int) and abs(value) > 1 << 53 and int(float(value)) == value:
        return float(value)
    return value


def _rounds(type_: pa.DataType, target: FieldType) -> bool:
    """A number that a person wrote, such as 0.1, means the nearest float."""
    kind = target.element.kind if target.element is not None else target.kind
    if pa.types.is_list(type_):
        type_ = type_.value_type
    return pa.types.is_float64(type_) and (kind is TypeKind.FLOAT or kind in _NORMALIZED)


def _filled(values: pa.Array, default: pa.Array) -> pa.Array:
    """Nulls replaced by the one value of `default`."""
    if pa.types.is_primitive(values.type) or pa.types.is_string(values.type):
        return values.fill_null(default[0])
    positions = np.arange(len(values))
    positions[~present(values)] = len(values)
    return pa.concat_arrays([values, default.cast(values.type)]).take(pa.array(positions))


def _missing(values: pa.Array, known: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Rows without a value, but for those that lost it to a fault that says more."""
    missing = ~present(values)
    for other in known:
        missing[other.rows] = False
    return fault(missing, NULL, "null, and the field is not nullable")


def normalized(values: pa.Array, target: FieldType) -> Casted:
    """Vectors divided by their Euclidean length, which is summed in doubles. A zero vector has
    none.
    """
    there = present(values)
    matrix = _matrix(values, target)
    wide = matrix.astype(np.float64)
    with np.errstate(all="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        wide /= np.where(lengths > 0, lengths, 1.0)[:, None]
    made, _ = convert_matrix(wide, target, rounding=True)
    zero: Flags = (lengths == 0) & there
    return Casted(build(made, target, absent(values)), fault(zero, ZERO_VECTOR, "a zero vector"))


def _matrix(values: pa.Array, target: FieldType) -> Matrix:
    if target.kind is TypeKind.BFLOAT16_VECTOR:
        return from_bfloat16(matrix_of_bytes(values, target.bytes_per_vector)[0].view("<u2"))
    return matrix_of_lists(values, target.dim or 0)[0]
