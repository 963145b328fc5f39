"""Mappings of each version, beside the columns that are made of them: `mappings/*.json`, `*.txt`.

Dense vectors stand there as real nodes of these versions answered. Types that those nodes lack
(scaled_float in 8.19, join in 2.19, ...) and runs on Elasticsearch 7.17's own vectors are written
by hand after the reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmc.sources.elasticsearch.mapping.column import columns_text
from mmc.sources.elasticsearch.mapping.index import read_mapping
from mmc.sources.elasticsearch.mapping.mapped import Mapped

MAPPINGS = sorted((Path(__file__).parent / "mappings").glob("*.json"))


@pytest.mark.parametrize("path", MAPPINGS, ids=[path.stem for path in MAPPINGS])
def test_columns(path: Path, golden: Callable[[Path, str], None]) -> None:
    engine = path.stem.partition("-")[0]
    mappings = json.loads(path.read_text(encoding="utf-8"))
    made = read_mapping(mappings, flatten=["author"], engine=engine)
    golden(path.with_suffix(".txt"), "\n".join(_lines(made)) + "\n")


def _lines(mapped: Mapped) -> Iterator[str]:
    for field in mapped.fields:
        yield f"{field.es_type}: {columns_text([field.column])[1:-1]}"
        if field.vector:
            yield f"  vector {field.vector}"
        if field.index is not None:
            params = " ".join(f"{name}={value}" for name, value in field.index.params)
            yield f"  index {field.index.type} {field.index.metric} {params}".rstrip()
        if field.note:
            yield f"  {field.note}"
        if field.copied:
            yield "  copied"
    yield from (f"opened {path}" for path in mapped.opened)
    yield from (f"note: {note}" for note in mapped.notes)
    for found in mapped.problems:
        yield f"{found.severity} {found.code}: {found.message}"
