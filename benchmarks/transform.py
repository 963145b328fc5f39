"""Speed of the transform's hot paths, printed. Run by hand: python benchmarks/transform.py [MB]."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from mmc.arrow.schema import arrow_type
from mmc.casts import Refused, choose
from mmc.plan.mapping import Column, Mapping, RestColumn
from mmc.plan.model import CopySplits, Write
from mmc.plan.reading import Batches, Reading
from mmc.transform.transform import Transform
from mmc.types import Collection, Field, FieldType

DIM = 768


def step(batch: pa.RecordBatch, types: dict[str, str], **more: object) -> CopySplits:
    """A step that maps columns by name; `more` are fields of CopySplits."""
    mappings = []
    for name, text in types.items():
        type_ = FieldType.parse(text)
        arrow = arrow_type(batch.schema.field(name).type)
        cast = choose(arrow, type_)
        assert not isinstance(cast, Refused), cast
        mappings.append(
            Mapping(field=Field(name, type_), origin=Column(name, str(arrow), cast.name))
        )
    collection = Collection("c", tuple(m.field for m in mappings), dynamic="rest" in more)
    names = tuple(batch.schema.names)
    return CopySplits(
        id="copy",
        read=Reading(collection="s", columns=names),
        collection=collection,
        mappings=tuple(mappings),
        splits=(),
        route="x",
        reason="",
        write=Write.INSERT,
        batches=Batches(1, 1),
        **more,  # type: ignore[arg-type]
    )


def speed(label: str, nbytes: int, rows: int, call: Callable[[], object]) -> None:
    """Prints the best of some calls."""
    best = float("inf")
    for _ in range(7):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    print(f"{label:<44} {nbytes / best / 1e9:8.2f} GB/s {rows / best / 1e6:9.2f} M rows/s")


def main() -> None:
    """Prints one line a path."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    rows = size * 2**20 // (DIM * 4)
    rng = np.random.default_rng(7)
    floats = rng.random(rows * DIM, dtype=np.float32)
    cases: dict[str, tuple[pa.Array, str]] = {
        "float vector, as it is": (
            pa.FixedSizeListArray.from_arrays(pa.array(floats), DIM),
            f"float_vector({DIM})",
        ),
        "float list -> float vector": (
            pa.ListArray.from_arrays(
                pa.array(np.arange(rows + 1, dtype=np.int32) * DIM), pa.array(floats)
            ),
            f"float_vector({DIM})",
        ),
        "double list -> float vector": (
            pa.FixedSizeListArray.from_arrays(pa.array(floats.astype(np.float64)), DIM),
            f"float_vector({DIM})",
        ),
        "half vector, as it is": (
            pa.FixedSizeListArray.from_arrays(pa.array(floats.astype(np.float16)), DIM),
            f"float16_vector({DIM})",
        ),
        "bytes -> binary vector": (
            pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(DIM * 4), rows, [None, pa.py_buffer(floats)]
            ),
            f"binary_vector({DIM * 32})",
        ),
        "int64, as it is": (pa.array(rng.integers(0, 9, size * 131072)), "int64"),
        "int64 -> int32": (pa.array(rng.integers(0, 9, size * 131072)), "int32"),
        "double, as it is": (pa.array(rng.random(size * 131072)), "double"),
        "string -> varchar": (
            pa.array([f"text number {i}" for i in range(200_000)]),
            "varchar(64)",
        ),
        "string -> int64": (pa.array([str(i) for i in range(200_000)]), "int64"),
    }
    for label, (array, type_) in cases.items():
        batch = pa.record_batch({"x": array})
        transform = Transform(step(batch, {"x": type_}))
        speed(label, batch.nbytes, batch.num_rows, lambda t=transform, b=batch: t(b))  # type: ignore[misc]
    array = cases["float vector, as it is"][0]
    batch = pa.record_batch({"x": array})
    plan = step(batch, {"x": f"float_vector({DIM})"})
    (mapping,) = plan.mappings
    normal = replace(mapping, normalize=True)
    transform = Transform(replace(plan, mappings=(normal,)))
    speed("float vector, normalised", batch.nbytes, rows, lambda: transform(batch))
    count = 200_000
    numbers = pa.array(np.arange(count))
    columns = {"id": numbers, "a": pa.array([f'text "{i}"' for i in range(count)])}
    columns |= {"b": pa.array(rng.random(count)), "c": pa.array(np.arange(count) % 7)}
    table = pa.record_batch(columns)
    rest = tuple(RestColumn(n, str(arrow_type(table.schema.field(n).type))) for n in "abc")
    dynamic = Transform(step(table, {"id": "int64"}, rest=rest))
    speed("three columns -> dynamic field", table.nbytes, count, lambda: dynamic(table))
    where = Transform(step(table, {"id": "int64", "a": "varchar(64)"}, where="c < 3 AND b > 0.1"))
    speed("where", table.nbytes, count, lambda: where(table))


if __name__ == "__main__":
    main()
