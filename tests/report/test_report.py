"""The report: verdicts, exit codes, JSON, Markdown and JUnit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mmc.events import Unmapped
from mmc.plan import codec
from mmc.plan.model import Seen
from mmc.report.report import Report, Verdict, make_report
from mmc.secrets import REDACTOR
from mmc.views.junit import render_report
from mmc.views.markdown import report_markdown
from mmc.views.report import save_report
from tests.views.samples import (
    COPIED,
    DIFFERS,
    VERIFIED,
    Copied,
    Ran,
    articles,
    ran,
    two_collections,
)

GOLDEN = Path(__file__).parent / "golden"
HIDDEN = Unmapped(12, (("hidden", 12), ("a|b", 1)))
CLEAN = replace(COPIED, rows_written=1_204_331, rows_quarantined=0, reasons=(), quarantine=())


@pytest.mark.parametrize(
    ("run", "verdict", "code"),
    [
        (ran(VERIFIED, copied=CLEAN, outcome="applied"), Verdict.VERIFIED, 0),
        (ran(VERIFIED), Verdict.VERIFIED, 3),
        (ran(VERIFIED, copied=replace(CLEAN, unmapped=HIDDEN)), Verdict.VERIFIED, 3),
        (ran(DIFFERS), Verdict.DIFFERS, 1),
        (ran(copied=CLEAN), Verdict.UNVERIFIED, 0),
        (ran(copied=replace(CLEAN, splits_done=23)), Verdict.INCOMPLETE, 1),
        (ran(VERIFIED, copied=replace(CLEAN, rows_filtered=1)), Verdict.INCOMPLETE, 1),
        (ran(DIFFERS, copied=replace(CLEAN, splits_done=23)), Verdict.DIFFERS, 1),
    ],
)
def test_verdicts(run: Ran, verdict: Verdict, code: int) -> None:
    report = make_report(articles(), run)
    assert report.verdict is verdict
    assert report.exit_code == code
    assert report.ok == (verdict in (Verdict.VERIFIED, Verdict.UNVERIFIED))


def test_the_worst_collection_decides() -> None:
    run = replace(ran(), copies=(Copied("copy.words", 1, 5, 5, 0, 0),))
    report = make_report(two_collections(), run)
    words, other = report.collections
    assert (words.verdict, other.verdict) == (Verdict.UNVERIFIED, Verdict.UNVERIFIED)
    assert (words.mode, other.mode, words.lossy) == ("append", "replace", "SQ8")
    assert make_report(two_collections(), replace(run, copies=())).verdict is Verdict.INCOMPLETE


def test_json() -> None:
    report = make_report(articles(), ran(VERIFIED))
    data = json.loads(report.to_json())
    assert (data["format"], data["version"], data["verdict"]) == ("mmc-report", 1, "verified")
    assert data["plan_digest"] == codec.digest(articles())
    assert data["target"]["config"][0] == ["token", {"secret": "env:MILVUS_TOKEN"}]
    assert data["started"] == "2026-01-02T03:04:05+00:00"
    assert data["seconds"] == 120.0
    assert data["collections"][0]["read"] == 1_204_331
    assert dict(data["versions"]).keys() >= {"mmc", "python", "numpy", "pyarrow"}
    restored = codec.from_json(Report, {k: v for k, v in data.items() if k != "verdict"})
    assert restored == report


def without_versions(text: str) -> str:
    text = text.replace(codec.digest(articles()), "<digest>")
    text = text.replace(codec.digest(two_collections()), "<digest>")
    return re.sub(r"Made with .*", "Made with <versions>.", text)


REPORTS = {
    "quarantined": lambda: make_report(articles(), ran(VERIFIED)),
    "differs": lambda: make_report(articles(), ran(DIFFERS, copied=CLEAN, outcome="failed")),
    "unmapped": lambda: make_report(
        articles(), ran(VERIFIED, copied=replace(CLEAN, unmapped=HIDDEN), outcome="partial")
    ),
    "two": lambda: make_report(
        two_collections(), replace(ran(), copies=(Copied("copy.words", 1, 5, 5, 0, 0),))
    ),
}


@pytest.mark.parametrize("name", REPORTS)
def test_markdown(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"{name}.md", without_versions(report_markdown(REPORTS[name]())))


def test_rows_that_are_not_accounted_for_are_told() -> None:
    text = report_markdown(make_report(articles(), ran(copied=replace(CLEAN, rows_filtered=1))))
    assert "❌ Rows of articles are missing" in text
    assert "Read = written" not in text
    assert "**Incomplete**" in text


def test_what_was_read_is_told_by_its_fingerprint() -> None:
    files = tuple((f"articles/file data/{n:03}.parquet", f"10:{n}") for n in range(25))
    other = (("articles/fields", "id"), ("articles2/file b", "1"), ("type", "files"))
    plan = replace(articles(), source_seen=Seen(schema="a", details=(*files, *other), rows=()))
    report = make_report(plan, ran(VERIFIED))
    (collection,) = report.collections
    assert len(collection.fingerprint) == 25
    assert ["data/003.parquet", "10:3"] in json.loads(report.to_json())["collections"][0][
        "fingerprint"
    ]
    text = report_markdown(report)
    assert "- `data/019.parquet`: 10:19\n- and 5 more of articles\n" in text
    assert "data/020.parquet" not in text


def test_junit() -> None:
    for report, failures in ((REPORTS["quarantined"](), 0), (REPORTS["differs"](), 1)):
        root = ElementTree.fromstring(render_report(report))
        assert root[0].get("failures") == str(failures)
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.text is not None
    assert "MMC703: id = 7" in failure.text


@pytest.mark.parametrize(
    ("name", "start"), [("r.json", "{"), ("r.xml", "<?xml"), ("r.md", "# Migration"), ("r", "# M")]
)
def test_saved_by_its_name(name: str, start: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / name
    save_report(REPORTS["quarantined"](), path)
    assert path.read_text(encoding="utf-8").startswith(start)


@pytest.mark.parametrize("suffix", ["json", "md", "xml"])
def test_no_secret(suffix: str, tmp_path: Path) -> None:
    REDACTOR.learn("hunter22")
    differs = replace(DIFFERS, problems=("MMC705: id = 7: x sent hunter22, found y",))
    save_report(make_report(articles(), ran(differs)), tmp_path / f"r.{suffix}")
    text = (tmp_path / f"r.{suffix}").read_text(encoding="utf-8")
    assert "hunter22" not in text
    assert "sent ***" in text
