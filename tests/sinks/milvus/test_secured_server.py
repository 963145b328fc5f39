"""A real Milvus 2.3.5 that wants certificates and a login: getting in, being refused, and rights.

One server has both, since they ask different questions; that it wants no certificate of ours is
tried with a second one.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc import api
from mmc.errors import MmcError, TargetError
from mmc.milvus.connect import Connection, address_of, connect
from mmc.plan.model import Plan
from mmc.sinks.milvus.insert.sink import MilvusInsertSink
from mmc.sinks.milvus.options import MilvusTargetOptions
from tests.servers.certificates import make
from tests.servers.milvus_lite import options_at
from tests.servers.milvus_server import MilvusServer, own_server

ROOT = "root:Milvus"
USER, PASSWORD, ROLE = "few", "Passw0rd", "fewrole"
NEW = (
    "CreateCollection; CreateIndex, Flush, GetFlushState, Insert, Load, Query, ShowPartitions,"
    " Upsert on collection articles"
)


@dataclass(frozen=True)
class Secured:
    """The server, and the folder of its certificates."""

    server: MilvusServer
    folder: Path

    def options(self, token: str = ROOT, **tls: str) -> MilvusTargetOptions:
        """Options of a target; `tls` names certificates."""
        names = {"ca": "ca", "certificate": "client", "key": "client"} | tls
        ends = {"ca": "pem", "certificate": "pem", "key": "key"}
        files = {
            option: str(self.folder / f"{name}.{ends[option]}") if option in ends else name
            for option, name in names.items()
            if name
        }
        return self.with_tls(files, token)

    def with_tls(
        self, tls: dict[str, Any] | None, token: str = ROOT, uri: str = ""
    ) -> MilvusTargetOptions:
        secret = self.folder / f"token.{hashlib.sha256(token.encode()).hexdigest()[:8]}"
        secret.write_text(token)
        return options_at(
            uri or f"https://127.0.0.1:{self.server.port}",
            token={"secret": f"file:{secret}"} if token else None,
            timeout=20.0,
            tls=tls,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        options = self.options()
        with connect(address_of(options), options) as connection:
            yield connection


@contextmanager
def _secured(folder: Path, mode: int) -> Iterator[Secured]:
    certificates = folder / "certificates"
    certificates.mkdir(parents=True)
    ca = make(certificates, "ca", authority=True)
    make(certificates, "other", authority=True)
    made = {name: make(certificates, name, ca) for name in ("server", "client")}
    settings = {
        "tls_mode": mode,
        "authorization_enabled": True,
        "server_pem_path": str(made["server"].file),
        "server_key_path": str(made["server"].key),
        "ca_pem_path": str(ca.file),
    }
    with own_server(folder / "milvus", settings) as server:
        yield Secured(server, certificates)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with _secured(tmp_path_factory.mktemp("secured"), 2) as found:
        with found.connection() as connection:
            connection.client.create_user(USER, PASSWORD)
            connection.client.create_role(ROLE)
            connection.client.grant_role(USER, ROLE)
        yield found


def _refused(options: MilvusTargetOptions) -> TargetError:
    with pytest.raises(TargetError) as caught:
        MilvusInsertSink().inspect(options, ["c"])
    assert not caught.value.retryable
    return caught.value


@pytest.mark.parametrize(
    ("tls", "hint"),
    [
        ({"ca": "other"}, "target.tls.ca"),
        ({"ca": ""}, "target.tls.ca"),
        ({"certificate": "", "key": ""}, "target.tls.certificate and target.tls.key"),
        ({"certificate": "other", "key": "other"}, "target.tls.certificate"),
        ({"server_name": "milvus.example"}, "target.tls.server_name"),
    ],
)
def test_certificates_that_do_not_fit(secured: Secured, tls: dict[str, str], hint: str) -> None:
    error = _refused(secured.options(**tls))
    assert error.code == "MMC571" and hint in error.hint


def test_the_scheme_is_wrong(secured: Secured) -> None:
    assert "write https://" in _refused(secured.with_tls(None, uri=secured.server.uri)).hint


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("", "it wants a login, and target.token is not set"),
        ("rootMilvus", "it does not know the API key in target.token"),
        ("root:wrong22", "the user or the password in target.token is wrong"),
        ("nobody:Passw0rd", "the user or the password in target.token is wrong"),
    ],
)
def test_logins_that_are_refused(secured: Secured, token: str, text: str) -> None:
    error = _refused(secured.options(token))
    assert error.code == "MMC573" and text in str(error)
    assert not token or token not in f"{error} {error.hint}"


class Bench:
    """Plans and applies as the user with few rights, and grants what an error tells to grant."""

    def __init__(self, secured: Secured, folder: Path) -> None:
        self.secured = secured
        self.folder = folder

    def rows(self, ids: range) -> None:
        vectors = pa.array(np.random.default_rng(1).random(len(ids) * 8, "f4"))
        columns = {"id": pa.array(ids, pa.int64())}
        columns["embedding"] = pa.FixedSizeListArray.from_arrays(vectors, 8)
        pq.write_table(pa.table(columns), self.folder / "rows.parquet")

    def plan(self, load: str, database: str = "default") -> Plan:
        tls = self.secured.options().tls
        assert tls is not None
        (self.folder / "spec.yaml").write_text(
            f"""
            version: 1
            source: {{type: files, path: "{self.folder}/rows.parquet"}}
            target:
              type: milvus
              uri: https://127.0.0.1:{self.secured.server.port}
              token: {{secret: env:FEW}}
              database: {database}
              tls: {{ca: "{tls.ca}", certificate: "{tls.certificate}", key: "{tls.key}"}}
            collections: [{{to: articles}}]
            load: {load}
            """
        )
        plan = api.make_plan(api.load_spec(self.folder / "spec.yaml"))
        api.write_plan(plan, self.folder / "plan.json")
        return api.read_plan(self.folder / "plan.json")

    def apply(self, plan: Plan) -> int:
        state = f"sqlite:///{self.folder}/state.db"
        return api.apply_plan(plan, state=state, directory=self.folder / "mmc").exit_code

    def until_allowed(self, load: str, database: str = "default") -> list[str]:
        """What was missing, error by error, until the plan was applied."""
        told: list[str] = []
        for _ in range(50):
            try:
                assert self.apply(self.plan(load, database)) == 0
                return told
            except MmcError as error:
                assert error.code == "MMC570", error
                missing = str(error).partition("lacks privileges: ")[2]
                if set(_WORDS.findall(missing)) <= set(_WORDS.findall(" ".join(told))):
                    time.sleep(0.1)  # the server takes a moment to go by what it was told
                    continue
                told.append(missing)
                with self.secured.connection() as connection:
                    names = {"client": connection.client, "ROLE": ROLE}
                    for line in error.hint.partition("pymilvus: ")[2].split("; "):
                        exec(line, names)
        raise AssertionError(f"granted, and still missing: {missing}")

    def take_away(self) -> None:
        with self.secured.connection() as connection:
            client = connection.client
            for grant in client.describe_role(ROLE)["privileges"]:
                where = grant["object_type"], grant["privilege"], grant["object_name"]
                client.revoke_privilege(ROLE, *where, db_name=grant["db_name"])


@pytest.fixture
def bench(secured: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("FEW", f"{USER}:{PASSWORD}")
    bench = Bench(secured, tmp_path)
    bench.rows(range(20))
    yield bench
    bench.take_away()
    with secured.connection() as connection:
        connection.client.drop_collection("articles")


def test_what_is_missing_is_told_at_once_and_before_anything_is_made(bench: Bench) -> None:
    plan = bench.plan("{}")
    with pytest.raises(TargetError) as caught:
        bench.apply(plan)
    assert str(caught.value).endswith(f"lacks privileges: {NEW}")
    with bench.secured.connection() as connection:
        assert connection.client.list_collections() == []
    assert bench.until_allowed("{}") == [NEW]


_WORDS = re.compile(r"\w+")
READ = "GetStatistics, Load, Query, ShowPartitions on collection articles"

REPLACE = "CreateCollection, DropCollection; CreateIndex, Flush, GetFlushState, "


@pytest.mark.slow
def test_what_each_mode_and_route_asks_for(bench: Bench) -> None:
    """The table of docs/targets/milvus.md."""
    assert bench.until_allowed("{}") == [NEW]
    staging = f"staging: {{url: {bench.secured.server.folder}/data/staging}}"
    for load, ids, missing in (
        ("{mode: append}", range(20, 30), "Flush, GetFlushState, Insert, Upsert on"),
        ("{mode: upsert}", range(30), "Flush, GetFlushState, Upsert on"),
        (
            "{mode: replace}",
            range(10),
            f"{REPLACE}Insert, Upsert on",
        ),
        (
            f"{{mode: replace, route: bulk, {staging}}}",
            range(10),
            f"{REPLACE}Import on",
        ),
    ):
        bench.take_away()
        bench.rows(ids)
        assert bench.until_allowed(load) == [READ, f"{missing} collection articles"], load
    bench.take_away()
    with bench.secured.connection() as connection:
        connection.client.create_alias("articles", "prod")
    rest = REPLACE.partition("; ")[2]
    missing = (
        "CreateAlias, CreateCollection, DropAlias, DropCollection;"
        f" {rest}Insert, Upsert on collection articles"
    )
    assert bench.until_allowed("{mode: replace}") == [READ, missing]
    with bench.secured.connection() as connection:
        assert connection.client.describe_alias("prod")["collection_name"] == "articles"
        connection.client.drop_alias("prod")


@pytest.mark.slow
def test_a_database_that_is_not_there_yet(bench: Bench) -> None:
    assert bench.until_allowed("{}", "library") == [NEW.replace(";", ", CreateDatabase;", 1)]
    with bench.secured.connection() as connection:
        assert connection.client.list_collections() == []
        assert "library" in connection.client.list_databases()


@pytest.mark.slow
def test_no_certificate_is_asked_for(tmp_path: Path) -> None:
    with _secured(tmp_path, 1) as secured:
        for tls in ({"certificate": "", "key": ""}, {}):
            assert MilvusInsertSink().inspect(secured.options(**tls), ["c"]).version == "2.3.5"
        assert _refused(secured.options(ca="other")).code == "MMC571"
        unchecked = secured.with_tls({"verify": False})
        assert [it.code for it in MilvusInsertSink().inspect(unchecked, []).problems] == ["MMC574"]
