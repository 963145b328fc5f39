"""What somebody changes about a migrated collection is no longer "verified", by either route."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmc import api
from mmc.events import Verified
from mmc.plan.model import Plan
from tests.e2e.target import Desk, a_name
from tests.servers.milvus_server import MilvusServer

TTL = "collection.ttl.seconds"
Act = Callable[[Any, str], None]


def _verdict(desk: Desk, plan: Plan) -> Verified:
    events: list[Any] = []
    api.verify_plan(plan, state=f"sqlite:///{desk.folder}/state.db", emit=events.append)
    (found,) = [event for event in events if isinstance(event, Verified)]
    return found


def _ttl(client: Any, name: str) -> None:
    client.alter_collection_properties(name, {TTL: "777"})


def _alias(client: Any, name: str) -> None:
    client.alter_alias(f"{name}_o", f"{name}_prod")


def _index(client: Any, name: str) -> None:
    client.release_collection(name)
    client.drop_index(name, client.list_indexes(name)[0])
    params = client.prepare_index_params()
    kind = {"index_type": "HNSW", "metric_type": "IP", "params": {"M": 8, "efConstruction": 50}}
    params.add_index("embedding", **kind)
    client.create_index(name, params)
    client.load_collection(name)


def _partition(client: Any, name: str) -> None:
    """One row moves from the default partition to `b`, which the plan does not know."""
    client.create_partition(name, "b")
    client.load_collection(name)
    (row,) = client.query(
        name, filter="id == 3", output_fields=["id", "embedding"], consistency_level="Strong"
    )
    client.delete(name, filter="id == 3")
    client.insert(name, [dict(row)], partition_name="b")
    client.load_collection(name)


CHANGES: list[tuple[str, Act, str]] = [
    ("moved alias", _alias, "MMC714: the alias {name}_prod does not lead to {name}"),
    ("TTL", _ttl, f"MMC713: property {TTL}: nothing planned, 777 found"),
    ("index", _index, "MMC712: the index on embedding is HNSW IP"),
    ("partition", _partition, "MMC710: partition `b` counts 1 rows, 0 were expected"),
]


def _changed(desk: Desk) -> None:
    """A collection that replaced one with an alias and a partition; then each change, one after the
    other.
    """
    name = a_name()
    desk.fill(name, {"_default": range(5), "a": range(5, 8)}, alias=f"{name}_prod")
    desk.fill(f"{name}_o", {"_default": range(2)})
    plan = desk.plan(name, range(20), "replace")
    assert desk.apply(plan).ok
    good = _verdict(desk, plan)
    assert good.ok and not good.notes
    assert good.looked_at == (
        "rows",
        "digest",
        "partitions",
        "schema",
        "1 index",
        "aliases",
        "properties",
    )
    with desk.target() as target:
        target._client.create_alias(name, f"{name}_more")
    assert _verdict(desk, plan).notes == (f"the plan does not know the alias {name}_more",)
    for what, act, line in CHANGES:
        with desk.target() as target:
            act(target._client, name)
        found = _verdict(desk, plan)
        assert not found.ok, what
        assert any(one.startswith(line.format(name=name)) for one in found.problems), (
            what,
            found.problems,
        )


@pytest.mark.milvus_lite
def test_on_lite(tmp_path: Path) -> None:
    _changed(Desk(tmp_path, str(tmp_path / "t.db")))


def test_on_a_server(tmp_path: Path, milvus_server: MilvusServer) -> None:
    _changed(Desk(tmp_path, milvus_server.uri))


@pytest.mark.slow
def test_on_a_server_by_import(tmp_path: Path, milvus_server: MilvusServer) -> None:
    _changed(Desk(tmp_path, milvus_server.uri, "bulk"))


@contextmanager
def _dump(folder: Path) -> Iterator[tuple[Plan, Callable[[], Verified]]]:
    """A folder of files that a plan made, and what verifying it says."""
    desk = Desk(folder, str(folder / "none.db"))
    desk.spec("words", range(20), "fail")
    text = (folder / "spec.yaml").read_text()
    target = f"target: {{type: milvus, uri: '{folder}/none.db'}}"
    assert target in text
    text = text.replace(target, f"target: {{type: files, url: {folder}/out}}")
    (folder / "files.yaml").write_text(text.replace(", route: insert", ""))
    plan = api.make_plan(api.load_spec(folder / "files.yaml"))
    assert desk.apply(plan).ok
    yield plan, lambda: _verdict(desk, plan)


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (
            lambda out: (out / "words" / "part-00007.parquet").write_bytes(
                next((out / "words").glob("*.parquet")).read_bytes()
            ),
            "MMC715: ",
        ),
        (
            lambda out: next((out / "words").glob("*.parquet")).write_bytes(b"PAR1"),
            "MMC533: ",
        ),
        (
            lambda out: (out / "manifest.json").write_text(
                (out / "manifest.json").read_text().replace('"COSINE"', '"L2"')
            ),
            "MMC712: ",
        ),
        (
            lambda out: (out / "manifest.json").write_text(
                (out / "manifest.json").read_text().replace('"dynamic": false', '"dynamic": true')
            ),
            "MMC711: dynamic field off wanted, on found",
        ),
    ],
    ids=["more", "other", "index", "schema"],
)
def test_files_that_are_not_as_written(
    tmp_path: Path, spoil: Callable[[Path], Any], line: str
) -> None:
    with _dump(tmp_path) as (_, verdict):
        good = verdict()
        assert good.ok
        assert good.looked_at == ("rows", "digest", "partitions", "schema", "1 index", "1 file")
        spoil(tmp_path / "out")
        found = verdict()
        assert not found.ok
        assert any(one.startswith(line) for one in found.problems), found.problems
