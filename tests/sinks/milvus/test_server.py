"""The insert route into a real Milvus 2.3.5: types, keys, partitions, indexes, and its traps."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mmc.arrow.schema import canonical_schema
from mmc.compile.indexfit import misfit, with_defaults
from mmc.compile.indexparams import wrong_params
from mmc.errors import Stopped, TargetError
from mmc.milvus.dialect import version_of
from mmc.plan.model import AwaitIndexes, BuildIndex, LoadCollection, Mode
from mmc.sinks.milvus.insert.sink import MilvusInsertSink
from mmc.sinks.milvus.insert.target import InsertTarget
from mmc.sinks.milvus.options import MilvusTargetOptions
from mmc.types import Collection, FieldType, Index, JsonValue, Metric, freeze
from tests.servers.milvus_lite import create_step, options_at
from tests.servers.milvus_server import MilvusServer
from tests.sinks.milvus.collections import (
    KEYS,
    batch_of,
    field,
    read,
    same,
    small,
    small_rows,
    write,
)
from tests.sinks.milvus.test_round_trip import VALUES

FLAT = Index("FLAT", Metric.L2)
HNSW = freeze({"M": 8, "efConstruction": 64})
SERVER = version_of("v2.3.5").dialect.capabilities
OBJECTS = [text for text in VALUES["json"] if text.strip()[0] in "{n"]
METAS = ["{}", '{"x":1,"y":[1,null,{"z":"é😀"}],"f":1.0}', '{"":0,"n":123456789012345678901}']


@pytest.fixture
def options(milvus_server: MilvusServer) -> MilvusTargetOptions:
    return options_at(milvus_server.uri)


@pytest.fixture
def target(options: MilvusTargetOptions) -> Iterator[InsertTarget]:
    with MilvusInsertSink().open(options) as opened:
        yield opened


def named(collection: Collection, **options: Any) -> Collection:
    """The collection under a name that no other test has: they share one server."""
    return replace(collection, name=f"c{uuid.uuid4().hex}", **options)


def ready(target: InsertTarget, collection: Collection, index: Index = FLAT) -> None:
    """Indexed without a flush, which takes seconds, and loaded."""
    target._connection.create_index(collection.name, "v", index)
    target.load(LoadCollection(id="l", collection=collection.name))


def wide() -> tuple[Collection, pa.RecordBatch]:
    """A field of every scalar and array type, and a dynamic field; awkward keys and values."""
    values = VALUES | {"json": OBJECTS}
    columns: dict[str, list[Any]] = {"id": KEYS}
    fields = [field("id", "varchar(200)", primary_key=True)]
    for number, (type_, some) in enumerate(values.items()):
        fields.append(field(f"f{number}", type_))
        columns[f"f{number}"] = list(islice(cycle(some), len(KEYS)))
    fields.append(field("v", "float_vector(3)"))
    columns["v"] = list(islice(cycle([[-0.0, 2.0**-149, 3.4028234663852886e38]]), len(KEYS)))
    columns["$meta"] = list(islice(cycle(METAS), len(KEYS)))
    collection = named(Collection("", tuple(fields), dynamic=True))
    return collection, batch_of(collection, columns)


def test_every_type_and_what_a_replay_does(target: InsertTarget) -> None:
    collection, rows = wide()
    target.ensure(create_step(collection))
    target.ensure(create_step(collection))  # Done already and equal: nothing happens.
    write(target, collection, rows.slice(0, 3), rows.slice(3))
    ready(target, collection)
    wanted = rows.sort_by("id")
    same(read(target, collection), wanted)
    same(read(target, collection, rows["id"]), wanted)
    for key in rows["id"]:
        assert read(target, collection, pa.array([key.as_py()]))["id"].to_pylist() == [key.as_py()]

    # An insert of the same keys doubles what is counted, and not what is found; a replay mends it.
    write(target, collection, rows)
    assert target.count(collection) == 2 * rows.num_rows
    write(target, collection, rows, replay=True)
    assert target.count(collection) == rows.num_rows

    # A row is replaced as a whole, its dynamic fields too.
    texts = ['{"other":1}'] * rows.num_rows
    place = rows.schema.get_field_index("$meta")
    changed = rows.set_column(place, rows.schema.field(place), pa.array(texts))
    write(target, collection, changed, write="upsert")
    same(read(target, collection), changed.sort_by("id"))
    assert target.count(collection) == rows.num_rows


def test_pages(target: InsertTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """In key order, keys to their limits, and not ended where a segment ends: some rows are in a
    flushed one, others in one that grows.
    """
    collection = named(small())
    low, high = -(2**63), 2**63 - 2
    keys = [low, low + 1, -1, 0, 1, *range(5, 20), high]
    rows = small_rows(collection, keys)
    target.ensure(create_step(collection))
    write(target, collection, rows.slice(0, 12))
    target.build_index(BuildIndex(id="i", collection=collection.name, field="v", index=FLAT))
    target.await_indexes(AwaitIndexes("w", collection.name))
    write(target, collection, rows.slice(12))
    target.load(LoadCollection(id="l", collection=collection.name))
    same(read(target, collection), rows)
    monkeypatch.setattr("mmc.milvus.pages.PageSize._fitting", lambda self, width: 3)
    same(read(target, collection), rows)
    same(read(target, collection, rows["id"]), rows)


def test_rows_that_come_into_a_loaded_collection(target: InsertTarget) -> None:
    """Indexed and loaded while it is empty, it tells of every row at once; then all are indexed."""
    collection = named(small())
    rows = small_rows(collection, list(range(1_500)))
    target.ensure(create_step(collection))
    target.build_index(BuildIndex(id="i", collection=collection.name, field="v", index=FLAT))
    target.load(LoadCollection(id="o", collection=collection.name, wait=False))
    write(target, collection, rows)
    target.load(LoadCollection(id="l", collection=collection.name))
    assert target.count(collection) == rows.num_rows
    same(read(target, collection), rows)
    target.await_indexes(AwaitIndexes("w", collection.name))
    described = target._client.describe_index(collection.name, "v")
    assert (described["total_rows"], described["indexed_rows"]) == (1_500, 1_500)
    same(read(target, collection), rows)


def test_an_index_that_the_server_never_builds(target: InsertTarget) -> None:
    """This one was not built for GPUs: it takes the index, and fails at it again and again."""
    collection = named(small())
    target.ensure(create_step(collection))
    write(target, collection, small_rows(collection, list(range(1_200))))
    target._connection.long_timeout = 3.0
    index = Index("GPU_IVF_FLAT", Metric.L2, (("nlist", 4),))
    told: list[tuple[int, int]] = []
    target.build_index(BuildIndex(id="i", collection=collection.name, field="v", index=index))
    with pytest.raises(TargetError, match=r"could not build it|not in it yet"):
        target.await_indexes(AwaitIndexes("w", collection.name), lambda *rows: told.append(rows))
    assert told[-1] == (0, 1_200)


def test_progress_of_an_index_may_end_the_wait(target: InsertTarget) -> None:
    collection = named(small())
    target.ensure(create_step(collection))
    write(target, collection, small_rows(collection, list(range(1_200))))

    def stop(done: int, total: int) -> None:
        raise Stopped("stopped", 2)

    target.build_index(
        BuildIndex(
            id="i", collection=collection.name, field="v", index=Index("HNSW", Metric.L2, HNSW)
        )
    )
    step = AwaitIndexes("w", collection.name)
    with pytest.raises(Stopped):
        target.await_indexes(step, stop)
    told: list[tuple[int, int]] = []
    target.await_indexes(step, lambda *rows: told.append(rows))
    assert told[-1] == (1_200, 1_200)


@pytest.mark.slow
def test_binary_vectors_and_a_built_index(
    target: InsertTarget, options: MilvusTargetOptions
) -> None:
    fields = (field("id", "int64", primary_key=True), field("v", "binary_vector(64)"))
    collection = named(Collection("", fields))
    count = 1_100  # Smaller segments get no index.
    random = np.random.default_rng(3)
    rows = batch_of(
        collection, {"id": list(range(count)), "v": [random.bytes(8) for _ in range(count)]}
    )
    target.ensure(create_step(collection))
    write(target, collection, rows)
    jaccard = Index("BIN_IVF_FLAT", Metric.JACCARD, (("nlist", 4),))
    step = BuildIndex(id="i", collection=collection.name, field="v", index=jaccard)
    target.build_index(step)
    target.build_index(step)
    target.await_indexes(AwaitIndexes("w", collection.name))
    described = target._client.describe_index(collection.name, "v")
    assert (described["indexed_rows"], described["pending_index_rows"]) == (count, 0)
    target.load(LoadCollection(id="l", collection=collection.name))
    same(read(target, collection), rows)
    (seen,) = MilvusInsertSink().inspect(options, [collection.name]).collections
    assert (seen.rows, seen.indexes, seen.schema) == (count, (("v", jaccard),), collection)


def test_partitions(target: InsertTarget, options: MilvusTargetOptions) -> None:
    collection = named(small(), partitions=("p", "q"), shards=2, description="é")
    target.ensure(create_step(collection))
    write(target, collection, small_rows(collection, [1, 2]), partition="p")
    write(target, collection, small_rows(collection, [3]), partition="q")
    with pytest.raises(TargetError, match="nowhere"):
        write(target, collection, small_rows(collection, [4]), partition="nowhere")
    ready(target, collection)
    assert target.count(collection) == 3
    assert target.count_partitions(collection, ["p", "q", "_default"]) == [2, 1, 0]
    with pytest.raises(TargetError, match="nowhere"):
        target.count_partitions(collection, ["p", "nowhere"])
    (seen,) = MilvusInsertSink().inspect(options, [collection.name]).collections
    assert seen.schema == collection


def test_a_partition_key(target: InsertTarget, options: MilvusTargetOptions) -> None:
    id_, text, vector = small().fields
    fields = (id_, replace(text, partition_key=True), vector)
    collection = named(small(), fields=fields)
    target.ensure(create_step(collection))
    target.ensure(create_step(collection, Mode.APPEND, exists=True))
    write(target, collection, small_rows(collection, [1, 2]))
    (seen,) = MilvusInsertSink().inspect(options, [collection.name]).collections
    assert seen.schema.partitions == ()


def test_a_collection_that_is_not_loaded(
    target: InsertTarget, options: MilvusTargetOptions
) -> None:
    """As an apply leaves it that was killed before its load: looking at it must not fail."""
    collection = named(small())
    target.ensure(create_step(collection))
    write(target, collection, small_rows(collection, [1, 2]))
    target._client.flush(collection.name)
    (seen,) = MilvusInsertSink().inspect(options, [collection.name]).collections
    assert (seen.rows, seen.loaded) == (2, False)
    with pytest.raises(TargetError, match="not loaded") as caught:
        target.count(collection)
    assert "load the collection first" in caught.value.hint
    assert not caught.value.retryable


def test_what_the_server_drops_without_a_word(target: InsertTarget) -> None:
    fields = (*small().fields, field("n", "int64", nullable=True))
    with pytest.raises(TargetError, match="n: nullable on wanted, not so found") as caught:
        target.ensure(create_step(named(small(), fields=fields)))
    assert caught.value.code == "MMC522"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((text, "MMC508") for text in ("5", '"5"', "true", "[]", "[{}]", " 1.5")),
        *((text, "MMC507") for text in ("{}{}", '{"a":NaN}')),
    ],
)
def test_json_that_is_no_object(target: InsertTarget, text: str, code: str) -> None:
    """The server refuses it without naming a row, so what can be told by its start is told here."""
    collection = named(small(), fields=(*small().fields, field("j", "json")))
    rows = batch_of(
        collection, {"id": [1, 2], "t": ["", ""], "v": [[0, 0]] * 2, "j": ["null", text]}
    )
    target.ensure(create_step(collection))
    write(target, collection, rows.slice(0, 1))
    with pytest.raises(TargetError) as caught:
        write(target, collection, rows)
    assert caught.value.code == code
    assert ("row with id 2" in str(caught.value)) == (code == "MMC508")


def test_the_key_that_no_query_returns(target: InsertTarget) -> None:
    collection = named(small())
    target.ensure(create_step(collection))
    with pytest.raises(TargetError, match="never find it") as caught:
        write(target, collection, small_rows(collection, [1, 2**63 - 1]))
    assert caught.value.code == "MMC508"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"t": ["é" * 51]}, "exceeds max length"),  # 102 bytes, 51 characters, in varchar(100)
        ({"v": [[1.0, float("nan")]]}, "not a number or infinity"),
        ({"v": [[1.0, float("inf")]]}, "not a number or infinity"),
    ],
)
def test_what_the_server_refuses(
    target: InsertTarget, columns: dict[str, list[Any]], words: str
) -> None:
    collection = named(small())
    target.ensure(create_step(collection))
    rows = {"id": [1], "t": ["t"], "v": [[0.0, 0.0]]} | columns
    with pytest.raises(TargetError, match=words) as caught:
        write(target, collection, batch_of(collection, rows))
    assert not caught.value.retryable


def index(type_: str, metric: str = "", **params: int) -> Index:
    return Index(type_, Metric(metric) if metric else None, tuple(sorted(params.items())))


def indexed(target: InsertTarget, vector: str) -> Collection:
    fields = (field("id", "int64", primary_key=True), field("v", vector))
    collection = named(Collection("", (*fields, field("t", "varchar(9)"), field("n", "int32"))))
    target.ensure(create_step(collection))
    return collection


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vector", "wanted"),
    [
        *(
            ("float_vector(8)", index(type_, metric, **params))
            for type_, params in [
                ("AUTOINDEX", {}),
                ("FLAT", {}),
                ("IVF_FLAT", {"nlist": 4}),
                ("IVF_SQ8", {"nlist": 4}),
                ("IVF_PQ", {"nlist": 4, "m": 4, "nbits": 8}),
                ("SCANN", {"nlist": 4}),
                ("HNSW", {"M": 8, "efConstruction": 50}),
            ]
            for metric in ("L2", "IP", "COSINE")
        ),
        *(
            ("binary_vector(16)", index("BIN_FLAT", metric))
            for metric in ("HAMMING", "JACCARD", "SUBSTRUCTURE", "SUPERSTRUCTURE")
        ),
        ("binary_vector(16)", index("BIN_IVF_FLAT", "HAMMING", nlist=4)),
        ("binary_vector(16)", index("BIN_IVF_FLAT", "JACCARD", nlist=4)),
    ],
)
def test_indexes_come_back_as_they_were_made(
    target: InsertTarget, options: MilvusTargetOptions, vector: str, wanted: Index
) -> None:
    collection = indexed(target, vector)
    assert misfit(wanted, FieldType.parse(vector), SERVER, key=False) is None
    target._connection.create_index(collection.name, "v", wanted)
    target._connection.create_index(collection.name, "t", Index("Trie"))
    target._connection.create_index(collection.name, "n", Index("STL_SORT"))
    (seen,) = MilvusInsertSink().inspect(options, [collection.name]).collections
    assert seen.indexes == (("n", Index("STL_SORT")), ("t", Index("Trie")), ("v", wanted))


@pytest.mark.parametrize(
    ("said", "made"),
    [
        (index("HNSW", "L2"), index("HNSW", "L2", M=30, efConstruction=360)),
        (index("HNSW", "L2", M=8), index("HNSW", "L2", M=8, efConstruction=360)),
        (index("IVF_FLAT", "L2"), index("IVF_FLAT", "L2", nlist=128)),
    ],
)
def test_parameters_that_2_3_cannot_do_without(
    target: InsertTarget, options: MilvusTargetOptions, said: Index, made: Index
) -> None:
    collection = indexed(target, "float_vector(8)")
    with pytest.raises(TargetError, match=f"create index {said.type}") as caught:
        target._connection.create_index(collection.name, "v", said)
    assert caught.value.code == "MMC507"
    planned = with_defaults(said, SERVER)
    target._connection.create_index(collection.name, "v", planned)
    (seen,) = MilvusInsertSink().inspect(options, [collection.name]).collections
    assert seen.indexes == (("v", made),) == (("v", planned),)


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ("v", index("FLAT", "JACCARD")),
        ("v", index("BIN_FLAT", "HAMMING")),
    ],
)
def test_indexes_that_the_server_refuses(target: InsertTarget, place: str, wanted: Index) -> None:
    collection = indexed(target, "float_vector(8)")
    with pytest.raises(TargetError, match=f"create index {wanted.type}") as caught:
        target._connection.create_index(collection.name, place, wanted)
    assert caught.value.code == "MMC507"


@pytest.mark.parametrize(
    ("vector", "wanted"),
    [
        ("float_vector(8)", index("IVF_PQ", "L2", nlist=4, nbits=8)),
        ("float_vector(8)", index("IVF_PQ", "L2", nlist=4, nbits=8, m=3)),
        ("float_vector(7)", index("SCANN", "L2", nlist=4)),
        ("float_vector(8)", index("HNSW_SQ", "L2", M=8, efConstruction=50)),
        ("float_vector(8)", index("INVERTED")),
        ("binary_vector(16)", index("BIN_IVF_FLAT", "SUBSTRUCTURE", nlist=4)),
        ("binary_vector(16)", index("BIN_IVF_FLAT", "SUPERSTRUCTURE", nlist=4)),
    ],
)
def test_indexes_that_the_plan_refuses_as_the_server_does(
    target: InsertTarget, vector: str, wanted: Index
) -> None:
    collection = indexed(target, vector)
    with pytest.raises(TargetError, match=f"create index {wanted.type}"):
        target._connection.create_index(collection.name, "v", wanted)
    assert misfit(wanted, FieldType.parse(vector), SERVER, key=False) is not None


def test_scalar_indexes_that_the_server_builds(target: InsertTarget) -> None:
    """What the plan takes from the table of this version is what the server builds, no more."""
    kinds = ["bool", "int8", "int16", "int32", "int64", "float", "double", "varchar(9)", "json"]
    kinds += ["array<int64>(3)", "array<varchar(9)>(3)"]
    fields = [field(f"f{number}", kind) for number, kind in enumerate(kinds)]
    collection = named(
        Collection("", (field("id", "int64", primary_key=True), *fields, small().fields[2]))
    )
    target.ensure(create_step(collection))
    for type_ in ("AUTOINDEX", "BITMAP", "INVERTED", "STL_SORT", "Trie"):
        wanted = Index(type_)
        for one in fields:
            fits = misfit(wanted, one.type, SERVER, key=False) is None
            try:
                target._connection.create_index(collection.name, one.name, wanted)
            except TargetError:
                assert not fits, (type_, one)
            else:
                assert fits, (type_, one)
                target._client.drop_index(collection.name, one.name)


def test_the_longest_json(target: InsertTarget) -> None:
    """As many bytes as the plan says, of a field and of the dynamic one, and not one more."""
    fields = (*small().fields, field("j", "json"))
    collection = named(Collection("", fields, dynamic=True))
    target.ensure(create_step(collection))
    most = SERVER.json_bytes
    longest, short = '{"x":"' + "y" * (most - 8) + '"}', "{}"

    def row(key: int, document: str, meta: str) -> pa.RecordBatch:
        columns = {"id": [key], "t": ["t"], "v": [[1.0, 2.0]], "j": [document], "$meta": [meta]}
        return batch_of(collection, columns)

    write(target, collection, row(1, longest, longest))
    longer = longest.replace("x", "xx")
    for document, meta in ((longer, short), (short, longer)):
        with pytest.raises(TargetError, match=rf"length \({most + 1}\) of"):
            write(target, collection, row(2, document, meta))


@pytest.mark.parametrize(
    ("vector", "type_", "metric", "cases"),
    [
        (
            "float_vector(8)",
            "HNSW",
            "L2",
            [
                {"M": 2, "efConstruction": 1},
                {"M": 2048, "efConstruction": 999_999},
                {"M": 2049, "efConstruction": 8},
                {"M": 8, "efConstruction": 0},
                {"M": 8, "efConstruction": 1_000_000},
                {"m": 8, "efConstruction": 8},
            ],
        ),
        ("float_vector(8)", "IVF_FLAT", "L2", [{"nlist": n} for n in (0, 1, 65_536, 65_537)]),
        ("float_vector(8)", "IVF_SQ8", "L2", [{"nlist": 8, "nbits": n} for n in (4, 8)]),
        ("float_vector(8)", "AUTOINDEX", "L2", [{}, {"M": 8}]),
        ("binary_vector(8)", "BIN_IVF_FLAT", "HAMMING", [{"nlist": n} for n in (0, 65_536)]),
    ],
)
def test_bounds_of_parameters(
    target: InsertTarget,
    vector: str,
    type_: str,
    metric: str,
    cases: list[dict[str, JsonValue]],
) -> None:
    """The plan takes exactly what the server takes. (Names that are not known the server ignores:
    only where the one that was meant is then missing does it refuse them.)
    """
    collection = indexed(target, vector)
    for params in cases:
        wanted = Index(type_, Metric(metric), freeze(params))
        fits = not list(wrong_params(wanted, FieldType.parse(vector), SERVER))
        try:
            target._connection.create_index(collection.name, "v", wanted)
        except TargetError:
            assert not fits, wanted
        else:
            assert fits, wanted
            target._client.drop_index(collection.name, "v")


@pytest.mark.slow
def test_a_message_above_the_servers_limit_is_halved(target: InsertTarget) -> None:
    """64 MiB a message: 25,000 vectors of 768 are 77 MB."""
    fields = (field("id", "int64", primary_key=True), field("v", "float_vector(768)"))
    collection = named(Collection("", fields))
    rows = 25_000
    vectors = np.random.default_rng(5).standard_normal(rows * 768).astype(np.float32)
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors), 768)
    batch = pa.RecordBatch.from_arrays(
        [pa.array(range(rows), pa.int64()), values], schema=canonical_schema(collection)
    )
    target.ensure(create_step(collection))
    # What the dialect allows is below it, so that halving is the exception.
    version, most = target._connection.version, 2**30
    able = replace(version.dialect.capabilities, max_batch_bytes=most)
    target._connection.version = replace(
        version, dialect=replace(version.dialect, capabilities=able)
    )
    write(target, collection, batch, batch_bytes=most)
    ready(target, collection)
    assert target.count(collection) == rows
    found = np.concatenate(
        [
            one.column("v").flatten().to_numpy()
            for one in target.read_back(collection, ["v"], None, 10_000)
        ]
    )
    assert found.tobytes() == vectors.tobytes()
