"""Plans that were changed by hand and sealed anew: what reading cannot see is refused when it is
used, in words.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc import api
from mmc.errors import ExpressionFailed, MmcError, SourceChanged, SpecInvalid, TargetError
from mmc.plan import codec
from mmc.plan.model import Plan
from mmc.types import Index

INDEX = codec.to_json(Index("FLAT"))
SPEC = """
version: 1
source: {type: files, path: r.parquet}
target: {type: files, url: out/}
collections: [{where: id >= 0, fields: [{to: c, constant: 5, type: int8}]}]
"""


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("edited")
    vectors = pa.array([[1.0, 2.0]] * 9, pa.list_(pa.float32(), 2))
    pq.write_table(pa.table({"id": pa.array(range(9)), "v": vectors}), folder / "r.parquet")
    (folder / "s.yaml").write_text(SPEC)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder, codec.write_plan(api.make_plan(api.load_spec("s.yaml")))


def _where(sql: str) -> Callable[[Any], None]:
    return lambda copy: copy["read"].update(where=sql)


def _place(key: str, value: Any = None) -> Callable[[Any], None]:
    """Changes what the first piece says of its place, or leaves it out."""

    def change(copy: Any) -> None:
        (piece,) = copy["splits"][0]["pieces"]
        pairs = [pair for pair in piece["locator"] if pair[0] != key]
        piece["locator"] = pairs if value is None else [*pairs, [key, value]]

    return change


def _constant(value: Any) -> Callable[[Any], None]:
    def change(copy: Any) -> None:
        (mapping,) = (one for one in copy["mappings"] if one["field"]["name"] == "c")
        mapping["origin"]["value"] = value

    return change


def _no_mapping(copy: Any) -> None:
    copy["mappings"] = [one for one in copy["mappings"] if one["field"]["name"] != "c"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_place("format"), SourceChanged, "does not say the `format`"),
        (_place("fingerprint"), SourceChanged, "does not say the `fingerprint`"),
        (_place("path"), SourceChanged, "does not say the `path`"),
        (_place("group"), SourceChanged, "does not say the `group`"),
        (_place("group", "x"), SourceChanged, "'x' for the `group`"),
        (_place("group", True), SourceChanged, "True for the `group`"),
        (_place("group", -2), SourceChanged, "no row group -2"),
        (_place("group", 7), SourceChanged, "no row group 7"),
        (_place("format", "exe"), SourceChanged, "the file format 'exe'"),
        (_constant(5000), ExpressionFailed, "5000 does not go into int8"),
        (_constant("x"), ExpressionFailed, "not an integer"),
        (_constant([1]), ExpressionFailed, "does not go into int8"),
        (_where("getenv('HOME') = ''"), ExpressionFailed, "no function `getenv`"),
        (_where("len(repeat('x', 2000000000)) > 0"), ExpressionFailed, "with `repeat`"),
        (_where("nothing > 1"), ExpressionFailed, "no column `nothing`"),
        (_where("v"), ExpressionFailed, "cannot be evaluated"),
        (_no_mapping, SpecInvalid, "what field 'c' is made of"),
    ],
)
def test_what_an_edited_plan_says_wrong_is_said(
    planned: tuple[Path, str],
    change: Callable[[Any], None],
    error: type[MmcError],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, text = planned
    shutil.copy2(folder / "r.parquet", tmp_path)
    monkeypatch.chdir(tmp_path)
    body = json.loads(text)
    change(next(step for step in body["plan"]["steps"] if "splits" in step))
    body["digest"] = codec.digest(body["plan"])
    with pytest.raises(error, match=message) as caught:
        api.apply_plan(
            codec.read_plan(json.dumps(body)),
            state=f"sqlite:///{tmp_path}/s.db",
            directory=tmp_path,
        )
    assert caught.value.hint or isinstance(caught.value, SpecInvalid)
    assert not list((tmp_path / "out").rglob("*.parquet"))


@pytest.mark.parametrize(
    "step",
    [
        {"kind": "build_index", "id": "i", "collection": "r", "field": "v", "index": INDEX},
        {"kind": "load_collection", "id": "l", "collection": "r"},
        {"kind": "await_indexes", "id": "w", "collection": "r"},
        {"kind": "drop_alias", "id": "d", "collection": "r", "alias": "a"},
        {"kind": "create_alias", "id": "a", "collection": "r", "alias": "a"},
        {"kind": "alter_collection", "id": "s", "collection": "r"},
    ],
    ids=lambda step: step["kind"],
)
def test_a_step_that_the_target_does_not_have(
    planned: tuple[Path, str], tmp_path: Path, step: dict[str, Any]
) -> None:
    folder, text = planned
    body = json.loads(text)
    body["plan"]["steps"].append(step)
    body["plan"]["summary"]["create"] += step["kind"] == "build_index"
    plan = codec.from_json(Plan, body["plan"])
    sealed = codec.read_plan(codec.write_plan(plan))
    shutil.rmtree(folder / "out", ignore_errors=True)
    with pytest.raises(
        TargetError, match=f"{step['id']}: the target of this plan has no"
    ) as caught:
        api.apply_plan(sealed, state=f"sqlite:///{tmp_path}/state.db", directory=tmp_path)
    assert caught.value.code == "MMC538"
