"""An index that is written to while it is planned and migrated, and the plan of what changed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.mmc_command import mmc
from tests.e2e.test_elasticsearch import FILES, LITE, documents, make_index, read_out, spec
from tests.servers.elasticsearch.node import ElasticsearchNode as Node
from tests.servers.elasticsearch.rest import bulk
from tests.sources.elasticsearch.tampering import tampering


def change(node: Node, index: str, docs: list[dict[str, Any]]) -> dict[str, str]:
    """Overwrites some documents, deletes some, writes new ones; gives the titles of all by id."""
    live = {doc["_id"]: doc for doc in docs}
    for key in [f"doc-{n}" for n in range(0, 100, 5)]:
        node.request("DELETE", f"/{index}/_doc/{key}")
        del live[key]
    changed = [{**doc, "title": "changed"} for doc in docs[101:151]]
    new = [{**doc, "_id": f"new-{n}"} for n, doc in enumerate(documents(30))]
    bulk(node.url, index, [*changed, *new])
    node.request("POST", f"/{index}/_refresh")
    return {doc["_id"]: doc["title"] for doc in [*live.values(), *changed, *new]}


READ = """
import json, sys
from pymilvus import MilvusClient
client = MilvusClient("es.db")
client.load_collection(sys.argv[1])
rows = client.query(sys.argv[1], filter='_id >= ""', output_fields=["title"], limit=5000)
print(json.dumps({row["_id"]: row["title"] for row in rows}))
"""


def titles(folder: Path, collection: str) -> dict[str, str]:
    """In a process of its own, as an embedded database is locked by one."""
    command = [sys.executable, "-c", READ, collection]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.milvus_lite
def test_what_changed_is_told_and_brought_by_a_plan_of_its_own(
    tmp_path: Path, elasticsearch: Node
) -> None:
    docs = documents(1500)
    make_index(elasticsearch, "e2e_moving", docs)
    file = spec(tmp_path, elasticsearch, "e2e_moving", LITE, on_drift="warn")
    mmc(tmp_path, "plan", file, "-o", "first.json")
    live = change(elasticsearch, "e2e_moving", docs)
    done = mmc(tmp_path, "apply", "first.json", "--report", "report.json", code=3)
    assert "warning[MMC655]: e2e_moving: 70 of 1,500 rows were changed or deleted" in done.err
    assert "warning[MMC471]: e2e_moving: 80 rows written after the plan was made" in done.err
    assert "source.after" in done.err and "e2e_moving: verified, 1,430 rows" in done.out
    report = json.loads((tmp_path / "report.json").read_text())
    (told,) = report["collections"]
    assert (told["planned"], told["read"], told["left"], told["written"]) == (1500, 1430, 70, 1430)
    assert len(titles(tmp_path, "e2e_moving")) == 1430
    # Nothing is left to do, and it is still not all of what was planned.
    assert mmc(tmp_path, "apply", "first.json", code=3).code == 3

    more: dict[str, Any] = {"source": {"after": "first.json"}, "load": {"mode": "upsert"}}
    file = spec(tmp_path, elasticsearch, "e2e_moving", LITE, **more)
    done = mmc(tmp_path, "plan", file, "-o", "second.json")
    assert "of e2e_moving only what was written since those plans is read" in done.out + done.err
    assert "MMC471" not in mmc(tmp_path, "apply", "second.json").err
    assert titles(tmp_path, "e2e_moving") == live


def test_only_what_came_after_is_read(tmp_path: Path, elasticsearch: Node) -> None:
    """But for an overlap: a number is given before a search finds its document."""
    docs = [{"_id": str(n), "title": f"t{n}", "embedding": [n] * 16} for n in range(12_000)]
    make_index(elasticsearch, "e2e_after", docs, number_of_shards=1)
    mmc(tmp_path, "plan", spec(tmp_path, elasticsearch, "e2e_after", FILES), "-o", "plan.json")
    bulk(elasticsearch.url, "e2e_after", [{**docs[0], "title": "late"}, {**docs[1], "_id": "new"}])
    elasticsearch.request("POST", "/e2e_after/_refresh")
    file = spec(tmp_path, elasticsearch, "e2e_after", FILES, source={"after": ["plan.json"]})
    mmc(tmp_path, "apply", file, "--yes")
    found = read_out(tmp_path)
    assert len(found) == 10_002
    assert found["0"]["title"] == "late" and "new" in found and "1999" not in found

    (tmp_path / "notes.json").write_text("{}")
    other = {**FILES, "url": "other"}
    file = spec(tmp_path, elasticsearch, "e2e_after", other, source={"after": "notes.json"})
    assert "MMC468" in mmc(tmp_path, "plan", file, code=1).err
    file = spec(tmp_path, elasticsearch, "e2e_after", other, source={"read": {"method": "pit"}})
    mmc(tmp_path, "plan", file, "-o", "pit.json")
    file = spec(tmp_path, elasticsearch, "e2e_after", other, source={"after": "pit.json"})
    assert "has no end" in mmc(tmp_path, "plan", file, code=1).err


def test_an_index_made_anew_is_read_whole(tmp_path: Path, elasticsearch: Node) -> None:
    make_index(elasticsearch, "e2e_renewed", documents(30))
    mmc(tmp_path, "plan", spec(tmp_path, elasticsearch, "e2e_renewed", FILES), "-o", "plan.json")
    elasticsearch.request("DELETE", "/e2e_renewed")
    make_index(elasticsearch, "e2e_renewed", documents(20))
    file = spec(tmp_path, elasticsearch, "e2e_renewed", FILES, source={"after": "plan.json"})
    done = mmc(tmp_path, "apply", file, "--yes")
    assert "e2e_renewed is read whole: none of those plans has it" in done.out + done.err
    assert len(read_out(tmp_path)) == 20


def test_it_is_planned_by_sequence_numbers_while_it_is_written_to(
    tmp_path: Path, elasticsearch: Node
) -> None:
    docs = documents(400)
    make_index(elasticsearch, "e2e_busy", docs)
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            bulk(elasticsearch.url, "e2e_busy", docs[:100])
            elasticsearch.request("POST", "/e2e_busy/_refresh")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        file = spec(tmp_path, elasticsearch, "e2e_busy", FILES, on_drift="ignore")
        for _ in range(3):
            told = mmc(tmp_path, "plan", file, "-o", "plan.json").err
            plan = json.loads((tmp_path / "plan.json").read_text())["plan"]
            (copy,) = (step for step in plan["steps"] if step["kind"] == "copy_splits")
            pieces = [piece for split in copy["splits"] for piece in split["pieces"]]
            assert {piece["unit"] for piece in pieces} == {"seq_no"}
            # What changes between two questions has left the numbers that are counted.
            assert copy["rows"] == 400 or "warning[MMC464]: e2e_busy: " in told
    finally:
        ended.set()
        writer.join()
    bulk(elasticsearch.url, "e2e_busy", docs[:200])
    elasticsearch.request("POST", "/e2e_busy/_refresh")
    mmc(tmp_path, "apply", "plan.json", code=3)
    assert read_out(tmp_path).keys() == {doc["_id"] for doc in docs[200:]}


@pytest.mark.parametrize("method", ["auto", "pit"])
def test_what_is_added_while_it_is_copied_is_counted_at_the_end(
    tmp_path: Path, elasticsearch: Node, method: str
) -> None:
    """In the index, and in one that the alias leads to by now."""
    alias, first, second = (f"e2e_added_{method}{part}" for part in ("", "_1", "_2"))
    make_index(elasticsearch, first, documents(40))
    leads = {"add": {"index": first, "alias": alias}}
    elasticsearch.request("POST", "/_aliases", {"actions": [leads]})

    grown: list[str] = []

    def grow(path: str, asked: bytes, answer: bytes) -> bytes:
        # The place of the target is made just before the copy begins.
        if b'"_source"' in answer and (tmp_path / "out").exists() and not grown:
            grown.append(path)
            bulk(elasticsearch.url, first, [{**documents(1)[0], "_id": f"n{n}"} for n in range(5)])
            make_index(elasticsearch, second, documents(7))
            rolled = {"add": {"index": second, "alias": alias}}
            elasticsearch.request("POST", "/_aliases", {"actions": [rolled]})
        return answer

    with tampering(elasticsearch.url, grow) as url:
        source = {"url": url, "read": {"method": method}}
        file = spec(tmp_path, elasticsearch, alias, FILES, source=source)
        mmc(tmp_path, "plan", file, "-o", "plan.json")
        done = mmc(tmp_path, "apply", "plan.json")
    assert grown
    assert f"warning[MMC471]: {alias}: 12 rows written after the plan was made" in done.err
    assert len(read_out(tmp_path)) == 40


def test_a_source_that_is_away_at_the_end_does_not_fail_the_run(
    tmp_path: Path, elasticsearch: Node
) -> None:
    make_index(elasticsearch, "e2e_away", documents(20))

    def lose(path: str, asked: bytes, answer: bytes) -> bytes | tuple[int, bytes]:
        ended = (tmp_path / "out/manifest.json").exists()
        gone = b'{"error":{"type":"index_not_found_exception","reason":"so"}}'
        return (404, gone) if ended and "e2e_away" in path else answer

    with tampering(elasticsearch.url, lose) as url:
        file = spec(tmp_path, elasticsearch, "e2e_away", FILES, source={"url": url})
        done = mmc(tmp_path, "apply", file, "--yes")
    assert "MMC471" in done.err and "added after the plan is not known" in done.err
    assert len(read_out(tmp_path)) == 20
