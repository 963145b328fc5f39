"""Somebody deletes or changes files of a run while it goes on, or between two applies: they are
copied again. After the end of it, the way out that is printed works.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc import api
from mmc.errors import MmcError
from mmc.events import Diagnosed, SplitDone, StepStarted
from mmc.plan import codec
from mmc.plan.model import Plan
from mmc.report.report import Report, Verdict
from tests.e2e.mmc_command import mmc
from tests.servers.s3 import s3_bucket

ROWS = 4_000


def _source(folder: Path) -> None:
    vectors = np.random.default_rng(5).standard_normal(ROWS * 8, dtype=np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors), 8)
    table = pa.table({"id": pa.array(range(ROWS)), "v": column})
    pq.write_table(table, folder / "rows.parquet", row_group_size=1_000)


def _spec(folder: Path, format_: str = "parquet", **more: Any) -> Path:
    spec = {
        "version": 1,
        "source": {"type": "files", "path": str(folder / "rows.parquet")},
        "target": {"type": "files", "url": str(folder / "out"), "format": format_},
        **more,
        "load": {"split_bytes": 65_536, "workers": 1, **more.get("load", {})},
    }
    path = folder / "spec.yaml"
    path.write_text(json.dumps(spec), encoding="utf-8")
    return path


def _plan(folder: Path, format_: str = "parquet", **more: Any) -> Plan:
    return api.make_plan(api.load_spec(_spec(folder, format_, **more)))


def _apply(folder: Path, plan: Plan, emit: Callable[[Any], None] = lambda event: None) -> Report:
    state = f"sqlite:///{folder}/.mmc/state.db"
    return api.apply_plan(plan, state=state, directory=folder / ".mmc", emit=emit)


def _content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder / "out")): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _parts(folder)
    }


def _parts(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "out" / "rows").rglob("*.*") if path.is_file())


def _all(folder: Path) -> None:
    shutil.rmtree(folder / "out")


def _first(folder: Path) -> None:
    _parts(folder)[0].unlink()


def _cut(folder: Path) -> None:
    part = _parts(folder)[0]
    part.write_bytes(part.read_bytes()[:-7])


def _other_content(folder: Path) -> None:
    part = _parts(folder)[0]
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 0xFF
    part.write_bytes(data)


def _manifest(folder: Path) -> None:
    (folder / "out" / "manifest.json").unlink()


Harm = Callable[[Path], None]


@pytest.mark.parametrize(
    ("harm", "moment", "format_", "rows"),
    [
        (_all, "split", "parquet", "1,000 rows of 1 split"),
        (_first, "split", "json", "1,000 rows of 1 split"),
        (_all, "write_manifest", "parquet", f"{ROWS:,} rows of 4 splits"),
        (_first, "write_manifest", "numpy", "1,000 rows of 1 split"),
        (_cut, "write_manifest", "parquet", "1,000 rows of 1 split"),
        (_all, "verify", "numpy", f"{ROWS:,} rows of 4 splits"),
        (_first, "verify", "parquet", "1,000 rows of 1 split"),
        (_cut, "verify", "json", "1,000 rows of 1 split"),
        (_other_content, "verify", "parquet", "1,000 rows of 1 split"),
        (_manifest, "verify", "parquet", ""),
    ],
)
def test_what_is_gone_is_copied_again(
    tmp_path: Path, harm: Harm, moment: str, format_: str, rows: str
) -> None:
    _source(tmp_path)
    plan = _plan(tmp_path, format_)
    harmed = False

    def disturb(event: Any) -> None:
        nonlocal harmed
        kind = event.kind if isinstance(event, StepStarted) else ""
        now = isinstance(event, SplitDone) if moment == "split" else kind == moment
        if now and not harmed:
            harmed = True
            harm(tmp_path)

    try:
        assert _apply(tmp_path, plan, disturb).verdict is Verdict.DIFFERS
    except MmcError as error:
        assert error.code in ("MMC576", "MMC539")
        assert "again" in error.hint
    assert harmed
    events: list[Any] = []
    assert _apply(tmp_path, plan, events.append).verdict is Verdict.VERIFIED
    notes = [it.diagnostic for it in events if isinstance(it, Diagnosed)]
    assert [note.code for note in notes] == ["MMC576"] * bool(rows)
    assert all(f"{rows} are copied again" in note.message for note in notes)
    recorded = json.loads((tmp_path / "out" / "manifest.json").read_text())["files"]
    stored = [file for part in recorded for file in part.get("files") or [part]]
    assert sum(part["rows"] for part in recorded) == ROWS
    assert {file["path"]: file["sha256"] for file in stored} == _content(tmp_path)


@pytest.mark.parametrize("harm", [_all, _first])
def test_nothing_is_called_done_without_a_verification(tmp_path: Path, harm: Harm) -> None:
    _source(tmp_path)
    plan = _plan(tmp_path, verify={"count": "off", "digest": "off"})

    def disturb(event: Any) -> None:
        if isinstance(event, StepStarted) and event.kind == "write_manifest":
            harm(tmp_path)

    with pytest.raises(MmcError, match=r"part-00000\.parquet, written by this run: not there"):
        _apply(tmp_path, plan, disturb)
    _apply(tmp_path, plan)
    assert [pq.read_metadata(part).num_rows for part in _parts(tmp_path)] == [1_000] * 4


def test_parts_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from s3fs import S3FileSystem

    _source(tmp_path)
    with s3_bucket() as bucket:
        monkeypatch.setenv("MMC_TEST_KEY", "testing")
        secret = {"secret": "env:MMC_TEST_KEY"}
        storage = {**bucket.storage, "key": secret, "secret": secret}
        target = {"type": "files", "url": f"{bucket.url}/out", "storage": storage}
        plan = _plan(tmp_path, target=target)
        system = S3FileSystem(**bucket.storage, use_listings_cache=False)

        def disturb(event: Any) -> None:
            if isinstance(event, StepStarted) and event.kind == "verify":
                system.rm_file(f"{bucket.url}/out/rows/part-00002.parquet")

        assert _apply(tmp_path, plan, disturb).verdict is Verdict.DIFFERS
        events: list[Any] = []
        assert _apply(tmp_path, plan, events.append).verdict is Verdict.VERIFIED
    (note,) = [it.diagnostic for it in events if isinstance(it, Diagnosed)]
    assert "part-00002.parquet: not there any more; 1,000 rows of 1 split" in note.message


def test_another_run_that_fills_the_folder_by_now_is_left_alone(tmp_path: Path) -> None:
    _source(tmp_path)
    plan = _plan(tmp_path)

    def disturb(event: Any) -> None:
        if isinstance(event, StepStarted) and event.kind == "write_manifest":
            _all(tmp_path)
            (tmp_path / "out" / "rows").mkdir(parents=True)
            (tmp_path / "out" / "rows" / "written-by-other").touch()

    for emit in (disturb, lambda event: None):
        with pytest.raises(MmcError) as caught:
            _apply(tmp_path, plan, emit)
    assert caught.value.code == "MMC581"


@pytest.mark.parametrize("harm", [_all, _first])
def test_the_way_out_of_a_complete_run(tmp_path: Path, harm: Harm) -> None:
    _source(tmp_path)
    _spec(tmp_path)
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    mmc(tmp_path, "apply", "plan.json")
    wanted, plan = len(_parts(tmp_path)), api.read_plan(tmp_path / "plan.json")
    harm(tmp_path)
    assert "Nothing to do" in mmc(tmp_path, "apply", "plan.json").out
    said = mmc(tmp_path, "verify", "plan.json", code=1)
    assert "`load: {mode: replace}` in the spec" in " ".join((said.out + said.err).split())
    if harm is _all:  # the folder is as it was planned
        mmc(tmp_path, "state", "forget", codec.digest(plan)[:12])
        mmc(tmp_path, "apply", "plan.json")
        assert len(_parts(tmp_path)) == wanted
        harm(tmp_path)
    _spec(tmp_path, load={"mode": "replace"})
    mmc(tmp_path, "apply", "spec.yaml", "--yes", "--allow-replace")
    assert len(_parts(tmp_path)) == wanted
