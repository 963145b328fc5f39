"""Quantisers and transforms inside an index file: stepped over, named, measured.

The layouts are those of faiss/impl/index_read.cpp. Decodes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmc.sources.faiss.cursor import Cursor, Span
from mmc.sources.faiss.kinds import SCALAR_QUANTIZERS, TRANSFORMS

_MAX_TRANSFORMS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A quantiser's description.

    Attributes:
        name: for people, such as "PQ16x8".
        code_size: bytes of one row's code.
        span: where the description is.
        number: bits per value (SQ, RaBitQ), bits per part (PQ).
        parts: sub-quantisers (PQ).
    """

    name: str
    code_size: int
    span: Span
    number: int = 0
    parts: int = 0


def scalar(cursor: Cursor, d: int) -> Block:
    """i32 type, i32 rangestat, f32 argument, u64 d, u64 code_size, vector of f32."""
    start = cursor.position
    kind, _, _, d_here, code_size = cursor.unpack("iifQQ", "the scalar quantiser")
    if kind not in SCALAR_QUANTIZERS:
        raise cursor.unread(f"scalar quantiser of type {kind} is not read", at=start)
    name, bits = SCALAR_QUANTIZERS[kind]
    expect = (d * bits + 7) // 8
    if d_here != d or code_size != expect:
        raise cursor.fault(
            f"the scalar quantiser {name} says d={d_here}, {code_size} bytes a code; "
            f"d={d} and {expect} are right",
            at=start,
        )
    cursor.vector(4, "the trained values")
    return Block(name=name, code_size=expect, span=_since(cursor, start), number=bits)


def product(cursor: Cursor, d: int) -> Block:
    """u64 d, u64 M, u64 nbits, vector of f32 centroids."""
    start = cursor.position
    d_here, parts, bits = cursor.unpack("QQQ", "the product quantiser")
    if d_here != d or not 1 <= bits <= 24 or not 1 <= parts <= d or d % parts:
        raise cursor.fault(
            f"the product quantiser says d={d_here}, M={parts}, nbits={bits}, with d={d} around it",
            at=start,
        )
    cursor.vector(4, "the centroids", expect=d << bits)
    size = (parts * bits + 7) // 8
    return Block(
        name=f"PQ{parts}x{bits}",
        code_size=size,
        span=_since(cursor, start),
        number=bits,
        parts=parts,
    )


def residual(cursor: Cursor, d: int) -> Block:
    """An additive quantiser's fields, then i32 train_type, i32 max_beam_size."""
    start = cursor.position
    d_here, parts = cursor.unpack("QQ", "the residual quantiser")
    if d_here != d or not 1 <= parts <= 4096:
        raise cursor.fault(
            f"the residual quantiser says d={d_here}, M={parts}, with d={d} around it", at=start
        )
    at = cursor.vector(8, "the bits of the steps", expect=parts)
    bits = [int.from_bytes(cursor.read(at)[i : i + 8], "little") for i in range(0, 8 * parts, 8)]
    if not all(1 <= n <= 24 for n in bits):
        raise cursor.fault("a step of the residual quantiser has no sensible size", at=at.offset)
    cursor.flag("is_trained")
    cursor.vector(4, "the codebooks", expect=d * sum(1 << n for n in bits))
    search, _, _ = cursor.unpack("iff", "the search type")
    if not 0 <= search <= 9:
        raise cursor.fault(f"search type {search} is unknown", at=cursor.position - 12)
    if search >= 6:
        count = cursor.uint64("the norm quantiser")
        cursor.skip(count, 4, "the norm quantiser")
    if search >= 8:
        cursor.vector(4, "the norm tables")
    cursor.unpack("ii", "the beam size")
    total = sum(bits) + _NORM_BITS[search]
    name = f"RQ{parts}x{bits[0]}" if len(set(bits)) == 1 else f"RQ{parts}"
    return Block(name=name, code_size=(total + 7) // 8, span=_since(cursor, start))


_NORM_BITS = (0, 0, 0, 32, 8, 4, 8, 4, 8, 8)
"""Bits that a search type adds to a code, for the norm."""


def rabit(cursor: Cursor, d: int, *, multi: bool) -> Block:
    """u64 d, u64 code_size, i32 metric, and, for more than one bit, u64 bits."""
    start = cursor.position
    d_here, code_size, _ = cursor.unpack("QQi", "the RaBitQ quantiser")
    bits = cursor.uint64("the bits of RaBitQ") if multi else 1
    # Signs and two factors; for more bits these bits and five factors.
    expect = (d + 7) // 8 + (8 if bits == 1 else (d * (bits - 1) + 7) // 8 + 20)
    if d_here != d or not 1 <= bits <= 9 or code_size != expect:
        raise cursor.fault(
            f"the RaBitQ quantiser says d={d_here}, {bits} bits, {code_size} bytes a code, "
            f"with d={d} around it",
            at=start,
        )
    return Block(name=f"RaBitQ{bits}", code_size=code_size, span=_since(cursor, start), number=bits)


def transforms(cursor: Cursor, d: int) -> tuple[tuple[str, ...], Span, int]:
    """i32 count, then the transforms. Returns their class names, the span, and the dimension after
    them.
    """
    start = cursor.position
    count = cursor.int32("the number of transforms")
    if not 0 <= count <= _MAX_TRANSFORMS:
        raise cursor.fault(f"{count} transforms", at=start)
    names = []
    for _ in range(count):
        at = cursor.position
        name, d_in, d_out = _transform(cursor)
        if d_in != d or not 1 <= d_out <= 1 << 20:
            raise cursor.fault(
                f"{name} takes {d_in} and gives {d_out} dimensions; {d} go in", at=at
            )
        names.append(name)
        d = d_out
    return tuple(names), _since(cursor, start), d


def _transform(cursor: Cursor) -> tuple[str, int, int]:
    at = cursor.position
    kind = cursor.fourcc("a transform")
    if kind not in TRANSFORMS:
        name = "ITQ has no reverse" if kind in ("Viqm", "Viqt") else "unknown"
        raise cursor.unread(f"transform `{kind}`: {name}", at=at)
    what = TRANSFORMS[kind]
    places: Span | None = None
    match kind:
        case "PCAm" | "PcAm" | "Pcam":
            cursor.take(8 if kind == "Pcam" else 4, what)
            cursor.flag(what)
            if kind != "PCAm":
                cursor.int32(what)
            for _ in range(3):
                cursor.vector(4, what)
        case "RmDT":
            places = cursor.vector(4, what)
        case "VNrm":
            cursor.take(4, what)
        case "VCnt":
            cursor.vector(4, what)
        case "HRot":
            cursor.take(4, what)
    bias, matrix, offset = False, None, None
    if kind in ("rrot", "LTra", "PCAm", "PcAm", "Pcam"):
        bias, matrix, offset = cursor.flag(what), cursor.vector(4, what), cursor.vector(4, what)
    d_in, d_out = cursor.unpack("ii", what)
    cursor.flag(what)
    # Faiss checks these sizes before it knows the dimensions, that is, not at all.
    if matrix is not None and matrix.count != d_in * d_out:
        raise cursor.fault(f"{what}: {matrix.count:,} values for {d_in} x {d_out}", at=at)
    if offset is not None and bias and offset.count != d_out:
        raise cursor.fault(f"{what}: {offset.count:,} offsets for {d_out}", at=at)
    if places is not None and not _inside(cursor, places, d_in, d_out):
        raise cursor.fault(f"{what}: it names dimensions that are not there", at=at)
    return what, d_in, d_out


def _inside(cursor: Cursor, places: Span, d_in: int, d_out: int) -> bool:
    found = memoryview(cursor.read(places)).cast("i")
    return len(found) == d_out and all(-1 <= place < d_in for place in found)


def _since(cursor: Cursor, start: int) -> Span:
    return Span(start, cursor.position - start)
