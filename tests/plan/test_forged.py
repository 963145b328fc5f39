"""A plan of real rows, changed and sealed anew: one that would copy less than it says, read what is
not its source, or fail half-way, is refused when it is read.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc import api
from mmc.errors import SpecInvalid
from mmc.plan import codec

Body = dict[str, Any]
Edit = Callable[[Body], object]
SPEC = """
version: 1
source: {type: files, path: src.parquet}
target: {type: files, url: out}
collections: [{to: rows, where: id < 2000}]
"""


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Body:
    folder = tmp_path_factory.mktemp("forged")
    vectors = pa.array([[1.0, 2.0]] * 3000, pa.list_(pa.float32(), 2))
    table = pa.table({"id": pa.array(range(3000)), "v": vectors})
    pq.write_table(table, folder / "src.parquet", row_group_size=1000)
    (folder / "s.yaml").write_text(SPEC)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        text = codec.write_plan(api.make_plan(api.load_spec("s.yaml")))
    body: Body = json.loads(text)
    assert codec.read_plan(_sealed(body)) == codec.read_plan(text)
    return body


def _sealed(body: Body) -> str:
    return json.dumps({**body, "digest": codec.digest(body["plan"])})


def _step(body: Body, kind: str) -> Any:
    return next(step for step in body["plan"]["steps"] if step["kind"] == kind)


def _copy(**values: Any) -> Edit:
    return lambda body: _step(body, "copy_splits").update(values)


def _read(**values: Any) -> Edit:
    return lambda body: _step(body, "copy_splits")["read"].update(values)


def _mapping_of(origin: Body) -> Edit:
    return lambda body: _step(body, "copy_splits")["mappings"][0].update(origin=origin)


def _summary(body: Body, **values: Any) -> None:
    body["plan"]["summary"].update(values)


def _rows(body: Body, rows: int | None, *, step: int | None) -> None:
    copy_ = _step(body, "copy_splits")
    copy_["splits"][0]["rows"], copy_["rows"] = rows, step


def _pieces(body: Body) -> Any:
    return _step(body, "copy_splits")["splits"][0]["pieces"]


def _no_pieces(body: Body) -> None:
    _pieces(body).clear()
    _rows(body, 0, step=0)


def _fewer(rows: int | None, *, step: int | None, summary: int | None = 3000) -> Edit:
    def edit(body: Body) -> None:
        _pieces(body).pop(0)
        _rows(body, rows, step=step)
        _summary(body, rows=summary)

    return edit


def _twice(body: Body) -> None:
    _pieces(body)[1] = copy.deepcopy(_pieces(body)[0])


def _piece(**values: Any) -> Edit:
    return lambda body: _pieces(body)[0].update(values)


def _locator(*pairs: tuple[str, str]) -> Edit:
    def edit(body: Body) -> None:
        for piece in _pieces(body):
            piece["locator"] = sorted(
                [*([key, value] for key, value in piece["locator"] if key not in dict(pairs))]
                + [list(pair) for pair in pairs]
            )

    return edit


def _other_file(body: Body) -> None:
    """As if it had always been the source's, but for the digest of what was seen."""
    _locator(("path", "/etc/x.parquet"), ("fingerprint", "1:1"))(body)
    _read(fingerprint=[["/etc/x.parquet", "1:1"]])(body)
    details = body["plan"]["source_seen"]["details"]
    body["plan"]["source_seen"]["details"] = [
        ["src/file /etc/x.parquet", "1:1"] if "/file " in place else [place, value]
        for place, value in details
    ]


def _only(*kinds: str) -> Edit:
    def edit(body: Body) -> None:
        body["plan"]["steps"] = [it for it in body["plan"]["steps"] if it["kind"] in kinds]

    return edit


def _without(kind: str) -> Edit:
    def edit(body: Body) -> None:
        body["plan"]["steps"] = [it for it in body["plan"]["steps"] if it["kind"] != kind]

    return edit


def _no_verify_and_no_splits(body: Body) -> None:
    _step(body, "verify").update(count="off", digest="off")
    _copy(splits=[])(body)


def _second_copy(body: Body) -> None:
    steps = body["plan"]["steps"]
    again = copy.deepcopy(_step(body, "copy_splits"))
    steps.insert(steps.index(_step(body, "copy_splits")), {**again, "id": "copy.rows2"})
    _summary(body, rows=6000, splits=2)


def _add(**step: Any) -> Edit:
    return lambda body: body["plan"]["steps"].append(step)


def _keys(**values: Any) -> Edit:
    return lambda body: _step(body, "check_keys").update(values)


def _keys_of_a_folder(body: Body) -> None:
    _keys(counted=True)(body)
    _step(body, "create_collection").update(exists=True, mode="upsert")
    _summary(body, create=0)


def _field_more(body: Body) -> None:
    fields = _step(body, "copy_splits")["collection"]["fields"]
    fields.append(copy.deepcopy(fields[1]))


def _directory(name: str) -> Edit:
    def edit(body: Body) -> None:
        _step(body, "copy_splits")["layout"]["directory"] = name
        _step(body, "write_manifest")["collections"][0]["layout"]["directory"] = name

    return edit


def _manifest(**values: Any) -> Edit:
    return lambda body: _step(body, "write_manifest").update(values)


def _backwards(body: Body) -> None:
    body["plan"]["steps"].reverse()


FORGED: list[tuple[Edit, str]] = [
    # rows that do not add up
    (_copy(splits=[]), "its splits have 0 rows, and it has 3,000 rows"),
    (_copy(splits=[], rows=None), "it copies an unknown number of rows, and 'src' has 3,000"),
    (_no_pieces, "split 00000 has no pieces"),
    (_fewer(3000, step=3000), "the pieces of split 00000 have 2,000 rows, and it has 3,000 rows"),
    (_fewer(2000, step=3000), "its splits have 2,000 rows, and it has 3,000 rows"),
    (_fewer(2000, step=2000), "summary: it says 3,000 rows, and the steps have 2,000"),
    (_fewer(2000, step=2000, summary=2000), "it copies 2,000 rows, and 'src' has 3,000 rows"),
    (_fewer(None, step=None), "it copies an unknown number of rows"),
    (_fewer(None, step=3000), "its splits have an unknown number of rows"),
    (_twice, "rows of another piece"),
    (_piece(stop=500), "a piece 0..500 of 1,000 rows"),
    (_piece(rows=None), "the pieces of split 00000 have an unknown number of rows"),
    (_no_verify_and_no_splits, "its splits have 0 rows"),
    (_only(), "summary: it says 3,000 rows, and the steps have 0"),
    (_only("create_collection"), "'src' has 3,000 rows, and no step copies them"),
    (_only("create_collection"), "no step copies into 'rows'"),
    (lambda body: body["plan"]["source_seen"].update(rows=[]), "how many rows 'src' has"),
    (lambda body: _summary(body, splits=7), "it says 7 splits, and the steps have 1"),
    (lambda body: _summary(body, create=7), "7 collections and indexes to create"),
    (lambda body: _summary(body, replace=1), "1 collections to replace"),
    # what is not the source
    (_locator(("path", "/etc/x.parquet"), ("fingerprint", "1:1")), "reads '/etc/x.parquet'"),
    (_locator(("fingerprint", "1:1")), "reads 'src.parquet' as '1:1'"),
    (_locator(("path:v", "/etc/x.npy")), "reads '/etc/x.npy'"),
    (_read(fingerprint=[]), "its fingerprint is not the one that was seen"),
    (_other_file, "source_seen: its digest is not that of its details"),
    # steps that do not belong together
    (_second_copy, "two steps copy into 'rows'"),
    (_manifest(collections=[]), "it names copy.rows 0 times"),
    (_without("write_manifest"), "no steps write its manifest"),
    (_keys(existing=True), "load.mode is not append"),
    (_keys(counted=True), "load.mode is not upsert"),
    (_keys_of_a_folder, "cannot be asked for keys"),
    (_add(kind="remove_staged", id="rm", copy="copy.rows"), "no staged files of copy.rows"),
    (_copy(write="in_place"), "nothing is imported"),
    (_field_more, "not one for each of the collection's fields"),
    (_backwards, "it comes before copy.rows"),
    (_without("create_collection"), "no step makes or checks 'rows'"),
    # files in each other's way
    *((_manifest(path=name), "a manifest is manifest.json") for name in ("rows", "rows/x.json")),
    (_manifest(path="rows/part-00000.parquet"), "a manifest is manifest.json"),
    (_directory("manifest.json"), "is where the manifest goes"),
    (_directory("manifest.json/a"), "is where the manifest goes"),
    (_directory("x" * 5000), "a path of 5,000 characters is too long"),
]


@pytest.mark.parametrize(("edit", "said"), FORGED)
def test_a_forged_plan_is_refused(honest: Body, edit: Edit, said: str) -> None:
    body = copy.deepcopy(honest)
    edit(body)
    with pytest.raises(SpecInvalid) as caught:
        codec.read_plan(_sealed(body), "p.json")
    found = [(one.code, one.message) for one in caught.value.diagnostics]
    assert {code for code, _ in found} == {"MMC125"}
    assert any(said in message for _, message in found), found


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_copy(write="drop"), "write: Input should be"),
        (_copy(layout={"format": "exe", "directory": "a"}), "layout.format: Input should be"),
        (_mapping_of({"kind": "column", "name": "id"}), "arrow: Field required"),
        (_mapping_of({"name": "id", "arrow": "int64", "cast": "identity"}), "'kind'"),
        (_mapping_of({"kind": "magic"}), "origin"),
    ],
)
def test_a_value_that_is_none_of_its_kind_is_refused(honest: Body, edit: Edit, said: str) -> None:
    body = copy.deepcopy(honest)
    edit(body)
    with pytest.raises(SpecInvalid) as caught:
        codec.read_plan(_sealed(body), "p.json")
    (found,) = caught.value.diagnostics
    assert found.code == "MMC123" and said in found.message


def test_a_plan_without_steps_says_that_there_is_nothing_to_do(honest: Body) -> None:
    body = copy.deepcopy(honest)
    _only()(body)
    _summary(body, create=0, rows=0, bytes=0, splits=0)
    assert not codec.read_plan(_sealed(body)).steps


PLANS = sorted((Path(__file__).parents[1] / "cases" / "compile").glob("*/plan.json"))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.parent.name)
def test_plans_that_mmc_made_are_read(path: Path) -> None:
    codec.read_plan(path.read_text(encoding="utf-8"), str(path))
