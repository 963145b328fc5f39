"""Imports by REST, as 2.4 and later take them: against a double, since no such server can be had
here. What is sent is in golden files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmc.errors import StateBusy, TargetAway, TargetBusy, TargetError, TargetThrottled
from mmc.facts import Extent
from mmc.milvus.connect import Address, address_of
from mmc.milvus.dialect import version_of
from mmc.milvus.errors import NotAllowed
from mmc.plan.model import CopySplits, FileFormat, Layout, Split, Staging, Write
from mmc.sinks.milvus.bulk.restimports import RestImports, _with_port
from mmc.sinks.milvus.bulk.target import BulkTarget
from mmc.spi import FileGroup, ImportTask, TaskState, unfenced
from mmc.state.lease import fenced
from mmc.storage.urls import exists, write_text
from tests.servers.import_double import VERSIONS, ImportDouble, Request, import_double
from tests.servers.milvus_lite import copy_step, options_at
from tests.servers.s3 import Bucket, s3_bucket
from tests.sinks.milvus.collections import small

GOLDEN = Path(__file__).parent / "golden"
SHOWN = ("Authorization", "Content-Type", "DB-Name", "Idempotency-Key", "Request-Timeout")
PATHS = [["p/part-0.parquet"], ["p/part-1.parquet"]]

Golden = Callable[[Path, str], None]


@pytest.fixture
def double(request: pytest.FixtureRequest) -> Iterator[ImportDouble]:
    """Of the newest version, or of that which a test is for."""
    version = getattr(request, "param", VERSIONS[-1])
    with import_double([("default", "c"), ("shop", "c")], version=version) as made:
        yield made


@pytest.fixture
def open_calls(double: ImportDouble) -> Iterator[Callable[..., RestImports]]:
    opened = []

    def make(
        token: str = "", database: str = "", timeout: float = 20.0, keys: bool = False
    ) -> RestImports:
        address = Address(double.url, None, database, timeout)
        opened.append(RestImports(address, token, keys=keys))
        return opened[-1]

    yield make
    for calls in opened:
        calls.close()


Opened = Callable[..., RestImports]


def _shown(request: Request) -> str:
    shown = {
        "path": request.path,
        "headers": {name: request.headers[name] for name in SHOWN if name in request.headers},
        "body": request.body,
    }
    return json.dumps(shown, indent=1, sort_keys=True) + "\n"


def test_what_is_sent(double: ImportDouble, open_calls: Opened, golden: Golden) -> None:
    double.token = "root:Milvus"
    plain, full = open_calls("root:Milvus"), open_calls("root:Milvus", "shop", keys=True)
    plain.submit("c", "", PATHS, "unused")
    job = full.submit("c", "red", [["p/part-0/id.npy", "p/part-0/v.npy"]], "3f7a")
    full.task(job)
    full.find("c")
    names = ["create", "create-with-all", "describe", "list"]
    for name, request in zip(names, double.asked, strict=False):
        golden(GOLDEN / f"rest-{name}.json", _shown(request))
    assert (double.jobs[1].database, double.jobs[1].partition) == ("shop", "red")


def test_the_database_may_be_the_path_of_the_address(double: ImportDouble) -> None:
    address = address_of(options_at(f"{double.url}/shop"))
    with closing(RestImports(address, "", keys=False)) as calls:
        assert calls.submit("c", "", PATHS, "") == calls.find("c")[0].id
    assert double.asked[0].path == "/v2/vectordb/jobs/import/create"
    assert double.jobs[0].database == "shop"


def test_a_request_that_imports_ends_before_the_lease_does(double: ImportDouble) -> None:
    left, address = [0.3], Address(double.url, None, "", 20.0)

    def fence() -> float:
        if left[0] <= 0:
            raise fenced()
        return left[0]

    with closing(RestImports(address, "", keys=False, fence=fence)) as calls:
        assert calls.submit("c", "", PATHS, "")
        double.silent = 3.0
        with pytest.raises(TargetAway, match="may have begun all the same"):
            calls.submit("c", "", PATHS, "")
        left[0] = 0.0
        asked = len(double.asked)
        with pytest.raises(StateBusy, match="nothing more is written"):
            calls.submit("c", "", PATHS, "")
        assert len(double.asked) == asked
        double.silent = 0.4
        calls.find("c")  # only looks: it waits as long as the address allows


def test_an_address_without_a_port_is_that_of_milvus() -> None:
    assert _with_port("http://host") == "http://host:19530"
    assert _with_port("https://host") == "https://host"
    assert _with_port("http://host:1") == "http://host:1"


def test_rows_that_are_none_are_none(double: ImportDouble, open_calls: Opened) -> None:
    body = {"state": "Completed", "importedRows": 0, "totalRows": 7}
    double.raw = (200, "application/json", json.dumps({"code": 0, "data": body}))
    assert open_calls().task("1").rows == 0
    del body["importedRows"]
    double.raw = (200, "application/json", json.dumps({"code": 0, "data": body}))
    assert open_calls().task("1").rows == 7


def test_a_netrc_of_the_user_is_not_sent(
    double: ImportDouble, open_calls: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    open_calls().submit("c", "", PATHS, "")
    assert "Authorization" not in double.asked[0].headers


@pytest.mark.parametrize("double", VERSIONS, indirect=True)
def test_a_job_from_its_beginning_to_its_end(double: ImportDouble, open_calls: Opened) -> None:
    calls = open_calls()
    id_ = calls.submit("c", "", PATHS, "")
    job = double.jobs[0]
    assert calls.task(id_) == ImportTask(id=id_, state=TaskState.WAITING)
    files = ("[p/part-0.parquet]", "[p/part-1.parquet]")
    for state in ("PreImporting", "Importing", "Sorting", "IndexBuilding", "Uncommitted", "New"):
        job.state, job.progress, job.told = state, 40, True
        assert calls.task(id_) == ImportTask(
            id=id_, state=TaskState.RUNNING, files=files, rows=0, progress=40
        )
    job.state, job.progress, job.rows = "Completed", 100, 7
    assert calls.task(id_) == ImportTask(
        id=id_, state=TaskState.COMPLETED, files=files, rows=7, progress=100
    )
    job.state, job.progress, job.reason = "Failed", 0, "row 3: no"
    assert calls.task(id_) == ImportTask(
        id=id_, state=TaskState.FAILED, files=files, rows=0, progress=0, reason="row 3: no"
    )


@pytest.mark.parametrize("double", VERSIONS, indirect=True)
def test_a_job_that_is_gone(double: ImportDouble, open_calls: Opened) -> None:
    task = open_calls().task("17")
    assert (task.state, task.again) == (TaskState.GONE, False)


@pytest.mark.parametrize("double", ["2.4.12"], indirect=True)
def test_the_route_of_a_job_is_looked_for_once(double: ImportDouble, open_calls: Opened) -> None:
    """2.4.0 to 2.4.12 know the older name alone; a cluster may be upgraded meanwhile."""
    calls = open_calls()
    id_ = calls.submit("c", "", PATHS, "")
    calls.tasks([id_, id_])
    verbs = [request.path.rpartition("/")[2] for request in double.asked]
    assert verbs == ["create", "describe", "get_progress", "get_progress"]
    double.version = "2.6.0"
    calls.task(id_)
    double.raw = (404, "text/plain", "page not found")
    with pytest.raises(TargetError, match="HTTP 404") as caught:
        calls.task(id_)
    assert caught.value.code == "MMC545"


@pytest.mark.parametrize("double", VERSIONS, indirect=True)
def test_jobs_of_one_collection_the_oldest_first(double: ImportDouble, open_calls: Opened) -> None:
    calls, shop = open_calls(), open_calls(database="shop")
    ids = [calls.submit("c", "", PATHS, ""), calls.submit("c", "", PATHS, "")]
    other = shop.submit("c", "", PATHS, "")
    assert [task.id for task in calls.find("c")] == ids
    assert [task.id for task in shop.find("c")] == [other]


@pytest.mark.parametrize("double", VERSIONS, indirect=True)
def test_a_key_makes_one_job_where_the_server_knows_keys(
    double: ImportDouble, open_calls: Opened
) -> None:
    found = version_of(double.version).dialect.imports
    assert found is not None and found.keys == double.knows_keys
    calls = open_calls(keys=found.keys)
    same = calls.submit("c", "", PATHS, "k") == calls.submit("c", "", PATHS, "k")
    assert same == double.knows_keys
    assert ("Idempotency-Key" in double.asked[0].headers) == double.knows_keys


def test_too_many_jobs_is_busy(double: ImportDouble, open_calls: Opened) -> None:
    double.most_jobs = 1
    calls = open_calls()
    calls.submit("c", "", PATHS, "")
    with pytest.raises(TargetBusy, match="has reached the limit") as caught:
        calls.submit("c", "", PATHS, "")
    assert "begun" not in str(caught.value)


def test_a_lost_answer_says_that_the_outcome_is_unknown(
    double: ImportDouble, open_calls: Opened
) -> None:
    double.break_off = True
    with pytest.raises(TargetBusy, match="the server may have begun all the same"):
        open_calls().submit("c", "", PATHS, "")
    assert len(double.jobs) == 1  # Sent once, and begun: a second request would double its rows.
    double.silent = 30.0
    with pytest.raises(TargetBusy, match="the server may have begun all the same"):
        open_calls(timeout=0.2).submit("c", "", PATHS, "")
    assert len(double.jobs) == 2


def test_nobody_listens(open_calls: Opened) -> None:
    calls = RestImports(Address("http://127.0.0.1:1", None, "", 5.0), "", keys=False)
    with pytest.raises(TargetBusy, match=r"no answer from http://127\.0\.0\.1:1"):
        calls.find("c")
    calls.close()
    with pytest.raises(TargetError, match="http address") as caught:
        RestImports(Address("unix:/run/milvus.sock", None, "", 5.0), "", keys=False)
    assert caught.value.code == "MMC502"


@pytest.mark.parametrize(
    ("raw", "kind", "code", "text"),
    [
        ((404, "text/plain", "page not found"), TargetError, "MMC545", "HTTP 404"),
        ((302, "text/html", ""), TargetError, "MMC545", "HTTP 302"),
        ((200, "text/html", "<html>"), TargetError, "MMC545", "no JSON, but text/html"),
        ((200, "application/json", "[1]"), TargetError, "MMC545", "no code"),
        ((200, "application/json", '{"code":0}'), TargetError, "MMC545", "no jobId"),
        ((200, "application/json", '{"code":0,"data":{}}'), TargetError, "MMC545", "no jobId"),
        ((401, "application/json", "{}"), TargetError, "MMC573", "HTTP 401"),
        ((403, "application/json", "{}"), NotAllowed, "MMC570", "HTTP 403"),
        ((503, "text/html", "<html>"), TargetAway, "MMC506", "HTTP 503 .* may have begun"),
        ((408, "text/html", "<html>"), TargetAway, "MMC506", "HTTP 408 .* may have begun"),
        ((200, "application/json", '{"code":8,"message":"s"}'), TargetThrottled, "MMC506", "s"),
        ((200, "application/json", '{"code":1,"message":"not ready"}'), TargetBusy, "MMC506", "r"),
        ((200, "application/json", '{"code":2,"message":"away"}'), TargetAway, "MMC506", "away"),
        ((200, "application/json", '{"code":1800,"message":"no"}'), TargetError, "MMC573", "no"),
        ((200, "application/json", '{"code":7,"message":"no"}'), TargetError, "MMC507", "c: no"),
        ((200, "application/json", '{"code":7}'), TargetError, "MMC507", "code 7"),
    ],
)
def test_other_answers(
    double: ImportDouble,
    open_calls: Opened,
    raw: tuple[int, str, str],
    kind: type[TargetError],
    code: str,
    text: str,
) -> None:
    double.raw = raw
    with pytest.raises(TargetError, match=text) as caught:
        open_calls().submit("c", "", PATHS, "")
    assert (type(caught.value), caught.value.code) == (kind, code)


def test_an_answer_without_what_was_asked_for(double: ImportDouble, open_calls: Opened) -> None:
    double.raw = (200, "application/json", '{"code":0,"data":{"records":5}}')
    with pytest.raises(TargetError, match="no records"):
        open_calls().find("c")
    with pytest.raises(TargetError, match="no state"):
        open_calls().task("1")


def test_what_the_server_refuses(double: ImportDouble, open_calls: Opened) -> None:
    calls = open_calls()
    with pytest.raises(TargetError, match="collection not found"):
        calls.submit("d", "", PATHS, "")
    with pytest.raises(TargetError, match="should not exceed 1024, but got 1025"):
        calls.submit("c", "", [["x.json"]] * 1025, "")
    double.token = "root:Milvus"
    with pytest.raises(TargetError, match="HTTP 401") as caught:
        calls.submit("c", "", PATHS, "")
    assert "token" in caught.value.hint


def _copy(format_: str) -> CopySplits:
    return replace(
        copy_step(small(), "file"),
        layout=Layout(FileFormat(format_), "c"),
        staging=Staging("s3://a-bucket/files/mmc", key="5ab1"),
    )


def _target(calls: RestImports, version: str) -> BulkTarget:
    found = version_of(version)
    assert found.dialect.imports is not None
    client = SimpleNamespace(has_collection=lambda name, timeout: True)
    connection: Any = SimpleNamespace(
        dialect=found.dialect,
        version=found,
        has_database=True,
        client=client,
        timeout=20.0,
        fence=unfenced,
    )
    return BulkTarget(connection, found.dialect.imports, calls)


@pytest.mark.parametrize("format_", ["parquet", "numpy", "json"])
def test_a_target_gives_keys_and_takes_our_paths_back(
    double: ImportDouble, open_calls: Opened, format_: str
) -> None:
    target = _target(open_calls(), "v2.5.8")
    names = {
        "parquet": ["part-0.parquet"],
        "numpy": ["part-0/id.npy", "part-0/t.npy", "part-0/$meta.npy"],
        "json": ["part-0.json"],
    }[format_]
    other = [name.replace("part-0", "part-1") for name in names]
    groups = [
        FileGroup("0", "", tuple(f"5ab1/c/{name}" for name in names)),
        FileGroup("1", "", tuple(f"5ab1/c/{name}" for name in other)),
    ]
    copy = _copy(format_)
    id_ = target.submit(copy, groups, "")
    assert double.jobs[0].groups == [
        [f"files/mmc/5ab1/c/{name}" for name in names],
        [f"files/mmc/5ab1/c/{name}" for name in other],
    ]
    (task,) = target.find_tasks(copy)
    assert (task.state, task.files) == (TaskState.WAITING, ())
    double.jobs[0].state, double.jobs[0].told = "Importing", True
    (task,) = target.tasks(copy, [id_])
    assert task.files == groups[0].files + groups[1].files


def test_files_in_another_bucket(double: ImportDouble, open_calls: Opened) -> None:
    target, copy = _target(open_calls(), "v2.4.9"), _copy("parquet")
    id_ = target.submit(copy, [FileGroup("0", "", ("5ab1/c/part-0.parquet",))], "")
    double.jobs[0].state = "Failed"
    double.jobs[0].reason = "The specified key does not exist."
    (task,) = target.tasks(copy, [id_])
    assert task.code == "MMC542"
    assert "s3://a-bucket/files/mmc" in task.reason and "files/mmc/5ab1" in task.reason


AWAY = "failed to read the file: The specified key does not exist.: importing data failed"
NO_ROWS_FILE = "invalid JSON format, the root key should be 'rows', but get 'format'"


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with s3_bucket() as made:
        yield made


def _staged(bucket: Bucket, in_place: bool = False) -> CopySplits:
    staging = Staging(f"{bucket.url}/files", tuple(bucket.storage.items()), key="5ab1")
    copy = replace(_copy("parquet"), staging=staging)
    if not in_place:
        return copy
    write_text(f"{bucket.url}/files/c/part-0.parquet", "PAR1", bucket.storage)
    extent = Extent(
        locator=(("path", "c/part-0.parquet"),), start=0, stop=3, unit="row", rows=3, bytes=4
    )
    return replace(
        copy,
        write=Write.IN_PLACE,
        staging=replace(staging, key=""),
        splits=(Split(id="00000", pieces=(extent,), rows=3, bytes=4),),
    )


def test_the_server_is_asked_what_it_sees_only_before_a_collection_is_dropped(
    double: ImportDouble, open_calls: Opened, bucket: Bucket
) -> None:
    target, copy = _target(open_calls(keys=True), "v2.6.24"), _staged(bucket)
    double.course = [("Pending", ""), ("PreImporting", ""), ("Completed", "")]
    target.check_staging(copy, dropping=False, manifest="")
    assert double.jobs == []
    target.check_staging(copy, dropping=True, manifest="")
    assert [job.groups for job in double.jobs] == [[["files/5ab1/c/check.json"]]]
    assert "Idempotency-Key" not in double.asked[0].headers
    assert not exists(f"{bucket.url}/files/5ab1/c/check.json", bucket.storage)
    with pytest.raises(TargetError) as caught:
        double.course = [("Failed", AWAY)]
        target.check_staging(copy, dropping=True, manifest="")
    assert (caught.value.code, caught.value.retryable) == ("MMC542", False)


def test_a_server_that_does_not_say_yet_what_it_sees(
    double: ImportDouble, open_calls: Opened, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmc.sinks.milvus.bulk.restimports.VERDICT_SECONDS", 0.0)
    target, copy = _target(open_calls(), "v2.5.8"), _staged(bucket)
    double.course = [("Pending", "")]
    for _ in range(2):
        with pytest.raises(TargetBusy) as caught:
            target.check_staging(copy, dropping=True, manifest="")
        assert caught.value.code == "MMC550"
    assert exists(f"{bucket.url}/files/5ab1/c/check.json", bucket.storage)
    double.course = [("Completed", "")]
    target.check_staging(copy, dropping=True, manifest="")
    assert len(double.jobs) == 1


def test_the_manifest_tells_whether_files_are_seen_where_they_lie(
    double: ImportDouble, open_calls: Opened, bucket: Bucket
) -> None:
    target, copy = _target(open_calls(), "v2.5.8"), _staged(bucket, in_place=True)
    double.course = [("Failed", NO_ROWS_FILE)]
    target.check_staging(copy, dropping=True, manifest="manifest.json")
    assert double.jobs[0].groups == [["files/manifest.json"]]
    for words, code in (
        (AWAY, "MMC542"),
        ("access denied", "MMC542"),
        ("failed to get file size of 'x', error:500 X", "MMC550"),
        ("row 3: wrong dim", "MMC543"),
    ):
        double.course = [("Failed", words)]
        with pytest.raises(TargetError) as caught:
            target.check_staging(copy, dropping=True, manifest="manifest.json")
        assert caught.value.code == code
