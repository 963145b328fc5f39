"""What is there already, under its name or an alias, stays as it is: with insert and import, into
Milvus Lite and a real server.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mmc.errors import DuplicateKeys, PlanStale, SpecInvalid, TargetError
from mmc.plan.tree import plan_lines
from tests.e2e.target import Desk, a_name, both
from tests.servers.milvus_server import MilvusServer

LITE = pytest.param("lite", marks=pytest.mark.milvus_lite)
SERVERS = ("insert", "bulk")


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """By `indirect` parameter: Milvus Lite, or a server by a route."""
    if request.param == "lite":
        yield Desk(tmp_path, str(tmp_path / "there.db"))
    else:
        server: MilvusServer = request.getfixturevalue("milvus_server")
        yield Desk(tmp_path, server.uri, request.param)


every_way = pytest.mark.parametrize("desk", [LITE, *SERVERS], indirect=True)
by_insert = pytest.mark.parametrize("desk", [LITE, "insert"], indirect=True)


@every_way
def test_an_alias_in_the_place_of_a_collection(desk: Desk) -> None:
    """fail and replace refuse it, append and upsert work on the collection behind it."""
    name, old = a_name(), range(20)
    alias = f"{name}_prod"
    desk.fill(name, {"_default": old}, alias)
    for mode in ("fail", "replace"):
        with pytest.raises(SpecInvalid) as refused:
            desk.plan(alias, range(5, 15), mode)
        (finding,) = [one for one in refused.value.diagnostics if one.is_error]
        assert finding.code == "MMC367"
        assert f"`{alias}`" in finding.message and f"`{name}`" in finding.message
    assert desk.rows(name) == both(old, ())

    plan = desk.plan(alias, range(20, 30), "append")
    (line,) = [line for line in plan_lines(plan) if "collection" in line]
    assert f"~ collection {alias} -> {name}" in line and "append to 20 rows" in line
    assert desk.apply(plan).ok
    assert desk.rows(name) == both(old, range(20, 30))

    with pytest.raises(Exception, match="0, 1") as refused_keys:
        desk.apply(desk.plan(alias, range(5), "append"))
    assert refused_keys.value.code == "MMC651"  # type: ignore[attr-defined]
    if desk.route == "insert":
        assert desk.another().apply(desk.plan(alias, range(5), "upsert")).ok
        assert desk.rows(name) == both(range(30), [*range(5), *range(20, 30)])


@by_insert
def test_an_alias_that_moves_makes_the_plan_stale(desk: Desk) -> None:
    name, other = a_name(), a_name()
    alias = f"{name}_prod"
    desk.fill(name, {"_default": range(3)}, alias)
    desk.fill(other, {"_default": range(3)})
    plan = desk.plan(alias, range(3, 6), "append")
    with desk.target() as target:
        target._client.alter_alias(other, alias)
    with pytest.raises(PlanStale, match=f"{alias}/alias of: {name} when planned, {other} now"):
        desk.apply(plan)
    assert desk.rows(name) == desk.rows(other) == both(range(3), ())


@by_insert
def test_a_name_that_becomes_an_alias(desk: Desk) -> None:
    """After the plan, so that only `ensure` can see it: the drift check has looked already."""
    name, other = a_name(), a_name()
    plan = desk.plan(name, range(3), "fail")
    desk.fill(other, {"_default": range(3)}, name)
    with pytest.raises(PlanStale, match=f"{name}: absent when planned, there now"):
        desk.apply(plan)
    assert desk.rows(other) == both(range(3), ())
    create = plan.creates[0]
    with desk.target() as target, pytest.raises(TargetError, match=other) as refused:
        target.ensure(create)
    assert refused.value.code == "MMC580"


def load_only(desk: Desk, name: str, partition: str) -> None:
    with desk.target() as target:
        target._client.flush(name)
        target._client.release_collection(name)
        target._client.load_partitions(name, [partition])


@pytest.mark.parametrize("desk", ["insert"], indirect=True)
def test_keys_in_a_partition_that_is_not_loaded(desk: Desk) -> None:
    name = a_name()
    desk.fill(name, {"a": range(0, 20, 2), "b": range(1, 20, 2)})
    load_only(desk, name, "a")
    plan = desk.plan(name, [1, 3, 20], "append")
    assert any("with the partitions that are not loaded" in line for line in plan_lines(plan))
    with pytest.raises(DuplicateKeys, match="already: 1, 3"):
        desk.apply(plan)


@pytest.mark.slow
@pytest.mark.parametrize("desk", SERVERS, indirect=True)
def test_append_to_a_collection_that_is_loaded_in_part(desk: Desk) -> None:
    """Rows of the partitions that are not loaded are there all the same, and counted."""
    name = a_name()
    desk.fill(name, {"a": range(0, 20, 2), "b": range(1, 20, 2)})
    load_only(desk, name, "a")
    assert desk.apply(desk.plan(name, range(20, 30), "append")).ok
    assert desk.rows(name) == both(range(20), range(20, 30))


@pytest.mark.parametrize("desk", ["insert"], indirect=True)
def test_a_partition_that_is_released_after_the_plan(desk: Desk) -> None:
    """Nothing that is counted or looked for is believed, at apply and at verify."""
    name = a_name()
    desk.fill(name, {"a": range(0, 20, 2), "b": range(1, 20, 2)})
    appended = desk.plan(name, range(20, 30), "append")
    assert desk.apply(appended).ok
    plan = desk.plan(name, [1, 3], "append")
    with desk.target() as target:
        target._client.release_partitions(name, ["b"])
    for act in (lambda: desk.apply(plan), lambda: desk.verify(appended)):
        with pytest.raises(TargetError, match="not loaded: b;") as refused:
            act()
        assert refused.value.code == "MMC582"
    assert desk.rows(name) == both(range(20), range(20, 30))


@by_insert
def test_upsert_of_keys_that_lie_in_partitions(desk: Desk) -> None:
    """A server looks for the old row only where the new one goes; Milvus Lite moves it there."""
    name = a_name()
    desk.fill(name, {"a": range(0, 20, 2), "b": range(1, 20, 2)})
    with pytest.raises(SpecInvalid) as refused:
        desk.plan(name, range(10), "upsert")
    (finding,) = [one for one in refused.value.diagnostics if one.is_error]
    assert finding.code == "MMC368" and "a, b" in finding.message
    assert desk.rows(name) == both(range(20), ())


@pytest.mark.parametrize("desk", ["insert"], indirect=True)
def test_an_alias_that_leads_nowhere(desk: Desk) -> None:
    """2.3.5 keeps it when its collection is dropped, tells nobody, and makes a collection of the
    same name that cannot be reached before the alias is gone.
    """
    old, name = a_name(), a_name()
    desk.fill(old, {"_default": range(3)}, name)
    with desk.target() as target:
        target._client.drop_collection(old)
    plan = desk.plan(name, range(3), "fail")
    for _ in range(2):
        with pytest.raises(TargetError, match=f"{name} is also an alias whose") as refused:
            desk.apply(plan)
        assert refused.value.code == "MMC580"
    with desk.target() as target:
        target._client.drop_alias(name)
    assert desk.apply(plan).ok
    assert desk.rows(name) == both((), range(3))
