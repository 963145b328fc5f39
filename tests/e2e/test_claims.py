"""Whose a collection is: what appeared after the plan is never taken for this run's own, and an
apply that was killed knows its own again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmc.errors import MmcError, PlanStale, TargetError
from mmc.milvus.schema import CLAIM
from mmc.plan.ddl import DropCollection
from mmc.plan.model import Mode
from mmc.sinks.milvus import ensure as ensuring
from mmc.spi import Claim
from mmc.state.store import Store
from tests.e2e.target import Desk, a_name, both
from tests.servers.milvus_lite import create_step
from tests.servers.milvus_server import MilvusServer
from tests.sinks.milvus.collections import small

LITE = pytest.param("lite", marks=pytest.mark.milvus_lite)
OURS, OTHERS = Claim("run@1", begun=True), Claim("other@1", begun=True)


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    if request.param == "lite":
        yield Desk(tmp_path, str(tmp_path / "there.db"))
    else:
        server: MilvusServer = request.getfixturevalue("milvus_server")
        yield Desk(tmp_path, server.uri, request.param)


by_insert = pytest.mark.parametrize("desk", [LITE, "insert"], indirect=True)
every_way = pytest.mark.parametrize("desk", [LITE, "insert", "bulk"], indirect=True)


class Killed(BaseException):
    """As `kill -9`: nothing after it is done, and nothing catches it to go on."""


def killed(*_: Any, **__: Any) -> None:
    raise Killed


@every_way
def test_two_folders_apply_one_plan(desk: Desk) -> None:
    """Both plan, both apply: one is first, whoever it is, and no row is there twice."""
    name, other = a_name(), desk.another()
    plans = [one.plan(name, range(10), "fail") for one in (desk, other)]
    assert desk.apply(plans[0]).ok
    with pytest.raises(PlanStale, match=f"{name}: absent when planned, there now"):
        other.apply(plans[1])
    assert desk.rows(name) == both((), range(10))
    # 2.3 cannot take a property off again.
    assert desk.properties(name) in ({}, {CLAIM: ""})


@pytest.mark.parametrize("desk", ["insert", "bulk"], indirect=True)
def test_two_folders_apply_at_the_same_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have looked, and found nothing, before either makes the collection."""
    name, other = a_name(), desk.another()
    plans = [one.plan(name, range(10), "fail") for one in (desk, other)]
    looked = threading.Barrier(2, timeout=60)
    create = ensuring._create

    def together(*args: Any) -> Any:
        looked.wait()
        return create(*args)

    monkeypatch.setattr(ensuring, "_create", together)
    ended: list[object] = []

    def apply(number: int) -> None:
        try:
            ended.append((desk, other)[number].apply(plans[number]).ok)
        except MmcError as error:
            ended.append(error.code)

    threads = [threading.Thread(target=apply, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, ended)) == ["MMC520", "True"]
    assert desk.rows(name) == both((), range(10))


@pytest.mark.parametrize("mode", ["fail", "replace"])
@by_insert
def test_killed_before_the_state_knows_that_it_was_made(
    desk: Desk, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = a_name()
    if mode == "replace":
        desk.fill(name, {"_default": range(5)})
    plan = desk.plan(name, range(10), mode)
    other = desk.another()
    late = other.plan(name, range(10), "fail") if mode == "fail" else None
    done = Store.step_done

    def step_done(store: Store, run: str, step: str, *rest: Any, **options: Any) -> None:
        if step.startswith("create."):
            raise Killed
        done(store, run, step, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "step_done", step_done)
        with pytest.raises(Killed):
            desk.apply(plan)
    claim = desk.properties(name)[CLAIM]
    assert claim.startswith(f"{plan_run(plan)}@")
    # Others see it: a plan of before is stale, one of now says whose it is.
    if late is not None:
        with pytest.raises(PlanStale):
            other.apply(late)
    with pytest.raises(MmcError) as refused:
        other.apply(unclaimed(other.plan(name, range(10), "replace")))
    assert refused.value.code == "MMC581" and claim in str(refused.value)
    assert desk.apply(plan).ok
    assert desk.rows(name) == both((), range(10))
    assert not desk.properties(name).get(CLAIM)


@by_insert
def test_killed_before_the_claim_is_off(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is done by then; applying again takes it off, or finds that it is."""
    name = a_name()
    plan = desk.plan(name, range(3), "fail")
    for place in ("mmc.sinks.milvus.insert.target.release", "mmc.run.interpreter.report_of"):
        with monkeypatch.context() as patch:
            patch.setattr(place, killed)
            with pytest.raises(Killed):
                desk.apply(plan)
    assert not desk.properties(name).get(CLAIM)
    assert desk.apply(plan).ok
    assert desk.rows(name) == both((), range(3))


@by_insert
def test_another_in_the_place_of_ours(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two attempts somebody drops the collection and makes one of the same name."""
    name = a_name()
    plan = desk.plan(name, range(3), "fail")
    with monkeypatch.context() as patch:
        patch.setattr("mmc.run.copying.Copying.copy", killed)
        with pytest.raises(Killed):
            desk.apply(plan)
    with desk.target() as target:
        target._client.drop_collection(name)
    desk.fill(name, {"_default": range(7, 9)})
    with pytest.raises(PlanStale, match="is another one by now") as stale:
        desk.apply(plan)
    assert stale.value.code == "MMC635"
    assert desk.rows(name) == both(range(7, 9), ())


ENSURES: list[tuple[str, Claim, dict[str, Any], str, bool]] = [
    # whose is there, who comes, the step, the code it ends with, whether what was there stays
    ("", OURS, {}, "MMC520", True),
    (OTHERS.run, OURS, {}, "MMC520", True),
    (OURS.run, OURS, {}, "", True),
    (OURS.run, replace(OURS, begun=False), {}, "", True),
    ("", OURS, {"mode": Mode.REPLACE}, "MMC520", True),
    ("", OURS, {"mode": Mode.APPEND}, "MMC520", True),
    # What a replace found was dropped before, so what is there now appeared since.
    ("", OURS, {"mode": Mode.REPLACE, "exists": True}, "MMC520", True),
    (OURS.run, OURS, {"mode": Mode.REPLACE, "exists": True}, "", True),
    (OTHERS.run, OURS, {"mode": Mode.REPLACE, "exists": True}, "MMC520", True),
    (
        OTHERS.run,
        OURS,
        {"mode": Mode.REPLACE, "exists": True, "claimed": OTHERS.run},
        "MMC520",
        True,
    ),
    ("", OURS, {"mode": Mode.UPSERT, "exists": True}, "", True),
    (OTHERS.run, OURS, {"mode": Mode.UPSERT, "exists": True}, "MMC581", True),
    (OTHERS.run, OURS, {"mode": Mode.APPEND, "exists": True, "claimed": OTHERS.run}, "", True),
]


@by_insert
def test_what_ensure_makes_of_what_is_there(desk: Desk) -> None:
    with desk.target() as target:
        client = target._client
        for there, comes, options, code, stays in ENSURES:
            collection = replace(small(), name=a_name(), properties=(("k", "v"),))
            target.ensure(create_step(collection), Claim(there, begun=True))
            client.create_partition(collection.name, "old")
            step = replace(create_step(collection), **options)
            told = ""
            try:
                target.ensure(step, comes)
            except TargetError as error:
                told = error.code
            case = (there, options)
            assert told == code, case
            assert client.has_partition(collection.name, "old") == stays, case
            if not code and step.makes:
                target.release(step, comes)
                target.release(step, comes)
                properties = client.describe_collection(collection.name)["properties"]
                assert properties in ({"k": "v"}, {"k": "v", CLAIM: ""}), case
            elif there and there != comes.run:
                with pytest.raises(TargetError, match=there) as refused:
                    target.release(step, comes)
                assert refused.value.code == "MMC581"
            client.drop_collection(collection.name)


@pytest.mark.parametrize(
    ("there", "claimed", "code"),
    [
        ("", "", ""),
        (OTHERS.run, OTHERS.run, ""),
        (OTHERS.run, "", "MMC581"),
        (OTHERS.run, OURS.run, "MMC581"),
    ],
)
@by_insert
def test_a_collection_that_another_run_fills_is_not_dropped(
    desk: Desk, there: str, claimed: str, code: str
) -> None:
    with desk.target() as target:
        collection = replace(small(), name=a_name())
        target.ensure(create_step(collection), Claim(there, begun=True))
        step = DropCollection(id="drop", collection=collection.name, claimed=claimed)
        if code:
            with pytest.raises(TargetError, match=there) as refused:
                target.drop_collection(step)
            assert refused.value.code == code
        else:
            target.drop_collection(step)
        assert target._client.has_collection(collection.name) == bool(code)


@by_insert
def test_two_runs_make_the_same_database(desk: Desk) -> None:
    database = a_name()
    one, other = (replace(small(), name=a_name()) for _ in range(2))
    with desk.target(database) as first, desk.target(database) as second:
        first.ensure(create_step(one))
        second.ensure(create_step(other))
        assert {one.name, other.name} <= set(first._client.list_collections())


def unclaimed(plan: Any) -> Any:
    """The plan as it was made when nobody had claimed the collection."""
    steps = tuple(
        replace(step, claimed="") if hasattr(step, "claimed") else step for step in plan.steps
    )
    return replace(plan, steps=steps)


def plan_run(plan: Any) -> str:
    from mmc.plan import codec

    return codec.digest(plan)[:12]
