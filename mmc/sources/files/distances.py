"""The distance that an HDF5 file names, as ann-benchmarks writes it -> metric of an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mmc.diagnostics import Diagnostic, Severity
from mmc.types import Index, Metric

ATTRIBUTE = "distance"
_METRICS = {
    "euclidean": Metric.L2,
    "l2": Metric.L2,
    "sqeuclidean": Metric.L2,
    "angular": Metric.COSINE,
    "cosine": Metric.COSINE,
    "ip": Metric.IP,
    "dot": Metric.IP,
    "dot_product": Metric.IP,
    "inner_product": Metric.IP,
    "innerproduct": Metric.IP,
    "hamming": Metric.HAMMING,
    "jaccard": Metric.JACCARD,
}
_OF_BITS = (Metric.HAMMING, Metric.JACCARD)


def named(attributes: Mapping[str, Any]) -> str:
    """What attributes say of the distance: text, bytes, or an array of one; "" for nothing."""
    value = attributes.get(ATTRIBUTE)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return "" if value is None else str(value)


def index_of(distance: str, dtype: np.dtype[Any]) -> Index | None:
    """The index of vectors of this dtype; None where the distance is none for them."""
    metric = _METRICS.get("_".join(distance.lower().replace("-", " ").split()))
    if metric in _OF_BITS:
        return Index("BIN_FLAT", metric) if dtype.kind == "b" or dtype == np.uint8 else None
    return Index("AUTOINDEX", metric) if metric is not None and dtype.kind == "f" else None


def unused(place: str, distance: str, columns: Sequence[str]) -> Diagnostic:
    """About a distance that no column could have."""
    shown = ", ".join(f"`{name}`" for name in columns) or "no column of vectors"
    return Diagnostic(
        "MMC483",
        f"{place}: its `{ATTRIBUTE}` is {distance!r}, which is no metric for {shown}",
        severity=Severity.WARNING,
        hint="say index: {metric: ...} for the vectors, by what the file was made for",
    )


def disagreeing(
    first: str, ours: Mapping[str, Index], other: str, theirs: Mapping[str, Index]
) -> Iterator[Diagnostic]:
    """About columns whose metric is another one in another file."""
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            here, there = (
                one[name].metric if name in one else "no metric" for one in (ours, theirs)
            )
            yield Diagnostic(
                "MMC483",
                f"`{name}`: {here} in {first}, {there} in {other}: none of them is taken",
                severity=Severity.WARNING,
                hint="say index: {metric: ...}, or migrate the files with two specs",
            )
