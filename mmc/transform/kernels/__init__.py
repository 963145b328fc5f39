"""One kernel a name of `mmc.casts.CASTS`: a source column in, a canonical column and its faults
out.

`convert` is the only way in; it takes what `mmc.casts.choose` chose.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from mmc.arrow.schema import arrow_type
from mmc.casts import Refused, element_cast
from mmc.transform.kernels import dense, jsontext, numbers, sparse, text, times, wkt
from mmc.transform.kernels.arrays import array_of, element_type, parse_array
from mmc.transform.kernels.faults import Casted, Fault, Kernel
from mmc.types import DENSE_VECTORS, FieldType, TypeKind

__all__ = ["KERNELS", "Casted", "Fault", "convert"]


def convert(name: str, array: pa.Array, target: FieldType) -> Casted:
    """Casts a column.

    Args:
        name: a name of CASTS that goes from the array's type to `target`.

    Raises:
        KeyError: there is no such cast.
    """
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if target.kind is TypeKind.ARRAY and name != "nulls":
        return _array(name, array, target)
    return KERNELS[name](array, target)


def _array(name: str, array: pa.Array, target: FieldType) -> Casted:
    assert target.element is not None
    element = target.element
    if name == "parse":
        source = arrow_type(pa.list_(element_type(target)))
        # Numbers of JSON text are rounded like other text; everything else goes the default way.
        inner = "round" if element.kind is TypeKind.FLOAT else "array"
        cast = element_cast(source, target, inner)
        assert not isinstance(cast, Refused)
        return parse_array(array, target, lambda child: convert(cast.name, child, element))
    found = element_cast(arrow_type(array.type), target, name)
    if isinstance(found, Refused):
        raise KeyError(name)
    return array_of(array, target, lambda child: convert(found.name, child, element))


def _parse(array: pa.Array, target: FieldType) -> Casted:
    if target.kind is TypeKind.SPARSE_FLOAT_VECTOR:
        return sparse.parse_sparse(array, target)
    if target.kind in DENSE_VECTORS:
        return dense.parse_vector(array, target)
    return numbers.parse(array, target)


def _round(array: pa.Array, target: FieldType) -> Casted:
    if target.kind is TypeKind.SPARSE_FLOAT_VECTOR:
        return sparse.round_sparse(array, target)
    if target.kind in DENSE_VECTORS:
        return dense.round_vector(array, target)
    return numbers.rounded(array, target)


def _bytes_as_text(kernel: Kernel) -> Kernel:
    """For base64: a json field gets the text as a JSON string, a varchar the text itself."""

    def kernel_(array: pa.Array, target: FieldType) -> Casted:
        if target.kind is not TypeKind.JSON:
            return kernel(array, target)
        written = kernel(array, FieldType(TypeKind.VARCHAR, length=65_535))
        return Casted(jsontext.fragments(written.values)[0])

    return kernel_


def _json(array: pa.Array, target: FieldType) -> Casted:
    written = jsontext.to_json(array, target)
    if target.kind is TypeKind.VARCHAR:
        return text.bounded(written.values, target, written.faults)
    return written


KERNELS: Mapping[str, Kernel] = {
    "identity": numbers.identity,
    "widen": numbers.widen,
    "nulls": numbers.nulls,
    "narrow": numbers.narrow,
    "whole": numbers.whole,
    "finite": numbers.finite,
    "exact": numbers.exact,
    "round": _round,
    "parse": _parse,
    "text": text.text,
    "fits": text.fits,
    "utf8": text.utf8,
    "base64": _bytes_as_text(text.base64),
    "hex": text.hexadecimal,
    "epoch_s": times.epoch("s"),
    "epoch_ms": times.epoch("ms"),
    "epoch_us": times.epoch("us"),
    "epoch_ns": times.epoch("ns"),
    "iso": times.iso,
    "json": _json,
    "json_text": jsontext.json_text,
    "wkt": wkt.wkt,
    "array": lambda array, target: _array("array", array, target),
    "vector": dense.vector,
    "bytes": dense.raw_vector,
    "sparse": sparse.sparse,
}
"""By name. A cast by name into an array, such as `round`, goes over its elements; see `convert`."""
