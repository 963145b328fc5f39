"""What a proxy answers in the place of the cluster: an error that names it, or the truth, whatever
of an answer is of another type; and requests that are refused for now are asked again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from mmc.errors import MmcError, SourceBusy, SourceChanged, SourceError
from mmc.events import Event, Retrying
from mmc.facts import SourceFacts
from mmc.run import pace
from mmc.sources.elasticsearch.options import ElasticsearchOptions
from mmc.sources.elasticsearch.source import ElasticsearchSource
from mmc.spi import Sample
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import fill, fresh, make, numbered, options_of
from tests.sources.elasticsearch.replaying import Record, Request, Told, with_body
from tests.sources.elasticsearch.test_spoiled_answers import inspected, read

ENDPOINTS = (
    "/",
    "_privileges",
    "_resolve",
    "_settings",
    "_mapping",
    "_search_shards",
    "_search",
    "_pit",
    "scroll",
)
WRONG: list[Any] = [{}, [], None, "x", 5, True, [5], {"x": {}}]
METHODS = ("auto", "pit", "scroll")


def endpoint(request: Request) -> str:
    path = request[1].partition("?")[0]
    last = path.rpartition("/")[2]
    return "/" if path == "/" else "_resolve" if "_resolve" in path else last


@pytest.fixture(scope="module")
def records(elasticsearch: ElasticsearchNode) -> Iterator[dict[str, Record]]:
    """Of an inspection and the reading of an index, in each way."""
    start = fresh("wrong")
    make(elasticsearch, name=f"{start}-1")
    fill(elasticsearch, f"{start}-1", numbered(60))
    made = {}
    for method in METHODS:
        options = looked(start, method).model_copy(update={"url": elasticsearch.url})
        record = made[method] = Record(start)
        with record.recording():
            facts = inspected(options)
            assert len(read(options, facts)) == 60
    yield made
    elasticsearch.request("DELETE", f"/{start}-1")


def looked(start: str, method: str) -> ElasticsearchOptions:
    return options_of("http://cluster:9200", f"{start}-*", read={"method": method})


def outcome(record: Record, method: str, spoil: Callable[..., Told]) -> tuple[Any, list[Request]]:
    """The facts and documents, or the error of mmc. Any other is a bug, and passes through."""
    options = looked(record.index, method)
    with record.replaying(spoil) as made:
        try:
            facts = inspected(options)
            return (facts, sorted(read(options, facts))), made
        except MmcError as error:
            return error, made


def untouched(number: int, request: Request, answer: Told) -> Told:
    return answer


@pytest.mark.parametrize("method", METHODS)
def test_another_answer_of_each_endpoint_is_an_error(
    records: dict[str, Record], method: str
) -> None:
    record = records[method]
    (facts, keys), made = outcome(record, method, untouched)
    assert len(keys) == 60 and isinstance(facts, SourceFacts)
    there = {endpoint(request) for request in made}
    assert there >= {"/", "_resolve", "_settings", "_mapping", "_search_shards", "_search"}
    assert there <= {*ENDPOINTS, "DELETE"}
    for at in range(len(made)):
        if made[at][0] == "DELETE":
            continue
        for wrong in WRONG:

            def spoil(
                number: int, request: Request, answer: Told, at: int = at, wrong: Any = wrong
            ) -> Told:
                return with_body(answer, json.dumps(wrong).encode()) if number == at else answer

            got, _ = outcome(record, method, spoil)
            root = endpoint(made[at]) == "/"
            if got == (facts, keys) and method != "auto":
                # The sample had enough, and did not wait for the page that was asked for ahead.
                assert endpoint(made[at]) in ("_search", "scroll")
                continue
            assert isinstance(got, SourceError if root else SourceBusy), (made[at], wrong)
            assert got.code == ("MMC461" if root else "MMC459"), (made[at], wrong)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values in JSON."""
    if at:
        yield at
    if isinstance(value, dict | list):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(member, (*at, key))


def value_at(value: Any, at: tuple[Any, ...]) -> Any:
    for key in at:
        value = value[key]
    return value


def put(value: Any, at: tuple[Any, ...], new: Any) -> bytes:
    made = json.loads(json.dumps(value))
    inner = value_at(made, at[:-1])
    if new is ...:
        del inner[at[-1]]
    else:
        inner[at[-1]] = new
    return json.dumps(made).encode()


def spoiled_at_random(record: Record, method: str, cases: int, seed: int) -> None:
    """One value of one answer is of another type, or gone: an error, or the same documents."""
    pick = random.Random(seed)
    (facts, _), made = outcome(record, method, untouched)
    rows = [collection.rows for collection in facts.collections]
    for case in range(cases):
        at = pick.randrange(len(made))
        told = json.loads(record.answers[made[at]].body)
        where = list(places(told))
        # Documents are many; what stands around them is what is looked at.
        chosen = pick.choice([one for one in where if "_source" not in one] or where)
        new = pick.choice([..., *WRONG])
        if type(new) is type(value_at(told, chosen)):
            continue  # Whether a number is the right one is seen by who counts once more.

        def spoil(
            number: int,
            request: Request,
            answer: Told,
            at: int = at,
            body: bytes = put(told, chosen, new),
        ) -> Told:
            return with_body(answer, body) if number == at else answer

        got, _ = outcome(record, method, spoil)
        if isinstance(got, MmcError):
            assert got.code, (case, made[at], chosen, new)
        else:
            assert [one.rows for one in got[0].collections] == rows, (case, chosen, new)


@pytest.mark.parametrize("method", METHODS)
def test_a_value_of_another_type_is_an_error_or_does_no_harm(
    records: dict[str, Record], method: str
) -> None:
    spoiled_at_random(records[method], method, 150, 7)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_values_of_another_type_at_length(
    records: dict[str, Record], method: str, seed: int
) -> None:
    spoiled_at_random(records[method], method, 1500, seed)


FAULTS: dict[str, Told] = {
    "reset": Told(0, {}, b""),
    "429": Told(429, {}, b'{"error":{"type":"circuit_breaking_exception","reason":"so"}}'),
    "502": Told(502, {}, b"<html>Bad Gateway</html>"),
    "503": Told(503, {}, b'{"error":{"type":"cluster_block_exception","reason":"so"}}'),
    "504": Told(504, {}, b""),
    "page not found": Told(404, {}, b"<html>default backend - 404</html>"),
    "no route": Told(404, {}, b'{"message":"no Route matched with those values"}'),
    "another's object": Told(200, {}, b"{}"),
    "another's page": Told(200, {}, b"<html>hello</html>"),
}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("method", METHODS)
def test_a_request_that_is_refused_once_is_asked_again(
    records: dict[str, Record], method: str, kind: str
) -> None:
    record, told = records[method], list[Event]()
    options = looked(record.index, method)
    patient = partial(pace.call, emit=told.append, attempts=4, sleep=lambda seconds: None)
    source = ElasticsearchSource().asking(patient)
    with record.replaying(untouched) as made:
        facts = source.inspect(options, (), Sample(50, 7))
    asked = [request for request in made if request[0] != "DELETE"]
    assert not told
    failed: set[Request] = set()

    # Pages of a scroll are asked for ahead, and maybe not waited for. A 200 at the root that is no
    # cluster's is told at once; a 404 is allowed there, and where privileges are asked for.
    spared = {"scroll"}
    if FAULTS[kind].status in (200, 404):
        spared |= {"/"} if FAULTS[kind].status == 200 else {"/", "_privileges"}

    def once(number: int, request: Request, answer: Told) -> Told:
        ours = endpoint(request) not in spared or endpoint(request) == "scroll"
        if request in failed or request[0] == "DELETE" or not ours:
            return answer
        failed.add(request)
        return FAULTS[kind]

    with record.replaying(once) as made:
        assert source.inspect(options, (), Sample(50, 7)) == facts
    assert failed
    assert {type(event) for event in told} == {Retrying}
    assert {*map(endpoint, failed)} - spared == {*map(endpoint, asked)} - spared
    assert len(told) >= len({request for request in failed if endpoint(request) != "scroll"})
    assert len(made) <= 3 * len(asked) + 8


def test_what_is_refused_for_good_is_asked_a_bounded_number_of_times(
    records: dict[str, Record],
) -> None:
    record, told = records["auto"], list[Event]()
    options = looked(record.index, "auto")
    patient = partial(pace.call, emit=told.append, attempts=4, sleep=lambda seconds: None)

    def never(number: int, request: Request, answer: Told) -> Told:
        return FAULTS["503"] if endpoint(request) == "_mapping" else answer

    with record.replaying(never) as made, pytest.raises(SourceBusy, match="so"):
        ElasticsearchSource().asking(patient).inspect(options, (), Sample(50, 7))
    assert [endpoint(request) for request in made].count("_mapping") == 4
    assert len(told) == 3


@pytest.mark.parametrize("method", METHODS)
def test_the_page_of_a_proxy_is_not_an_index_that_is_gone(
    records: dict[str, Record], method: str
) -> None:
    record = records[method]
    (facts, _), _ = outcome(record, method, untouched)
    options = looked(record.index, method)
    gone = Told(404, {}, b'{"error":{"type":"index_not_found_exception","reason":"so"}}')
    for told, error, code in (
        (FAULTS["page not found"], SourceBusy, "MMC450"),
        (FAULTS["no route"], SourceBusy, "MMC450"),
        (gone, SourceChanged, "MMC460"),
    ):
        with (
            record.replaying(lambda number, request, answer, told=told: told),
            pytest.raises(error) as raised,
        ):
            read(options, facts)
        assert raised.value.code == code
