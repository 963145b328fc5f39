"""A plan with a right seal and wrong values is refused when it is read, place by place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmc.errors import SpecInvalid
from mmc.plan import codec
from mmc.plan.mapping import Column, Expression
from mmc.plan.model import (
    CheckStaging,
    CopySplits,
    CountCheck,
    CreateCollection,
    DigestCheck,
    FileFormat,
    ImportFiles,
    Layout,
    ManifestCollection,
    Plan,
    Staging,
    Step,
    Verify,
    Write,
    WriteManifest,
)
from mmc.plan.reading import Batches
from tests.e2e.mmc_command import mmc
from tests.plan.test_codec import COLLECTION, COPY, EXTENT, PLAN

OUT = ["../../escaped", "/tmp/abs", "a/../../b", "./a", "a//b", "", "a\\b", "s3://x/y", "a\0b"]
"""Names that lead out of where they belong, or are no names."""


def _with(step: Step) -> Plan:
    """The plan with a step in the place of the one of its id, or as its last."""
    steps = [step if it.id == step.id else it for it in PLAN.steps]
    if step.id not in {it.id for it in PLAN.steps}:
        steps.append(step)
    return replace(PLAN, steps=tuple(steps))


def _copy(**changes: Any) -> Plan:
    return _with(replace(COPY, **changes))


def _split(**changes: Any) -> Plan:
    return _copy(splits=(replace(COPY.splits[0], **changes),))


def _mapping(**changes: Any) -> Plan:
    return _copy(mappings=(replace(COPY.mappings[0], **changes), COPY.mappings[1]))


def _manifest(directory: str) -> Plan:
    layout = Layout(FileFormat.PARQUET, directory)
    return _with(WriteManifest("m", "m.json", (ManifestCollection("copy.a", COLLECTION, layout),)))


FORGED = [
    *((_copy(layout=Layout(FileFormat.PARQUET, name)), "copy.a: ") for name in OUT),
    *((_with(WriteManifest("m", name)), "m: ") for name in OUT),
    *((_manifest(name), "m: ") for name in OUT),
    *(
        (_split(id=name), "copy.a: split")
        for name in [*OUT, "x/../../y", "1", "0000a", "\u0661" * 5]
    ),
    *(
        (_copy(staging=Staging("s3://b/p", key=name)), "copy.a: staging key")
        for name in OUT
        if name
    ),
    (_copy(layout=None, write=Write.FILE), "nothing says where"),
    (_copy(batches=Batches(0, 1000)), "batches of 0 rows"),
    (_copy(batches=Batches(100, -1)), "or -1 bytes"),
    (_copy(read=replace(COPY.read, columns=("id",))), "column 'x' is used and not read"),
    (_with(CheckStaging("stage.a", "copy.b")), "no copy step 'copy.b'"),
    (_with(CheckStaging("stage.a", "copy.a")), "copy.a stages no files"),
    (_copy(staging=Staging("s3://b/p")), "it stages files, and no steps try the place"),
    (_copy(splits=COPY.splits[:1] * 2), "two splits are 00000"),
    (_split(pieces=(replace(EXTENT, start=-1),)), "a piece -1..10"),
    (_split(pieces=(replace(EXTENT, start=11),)), "a piece 11..10"),
    (_split(rows=-5), "less than nothing"),
    (_mapping(origin=Column("id", "int64", "none")), "no cast 'none'"),
    (_mapping(origin=Expression("id + 1", "int64", "none")), "no cast 'none'"),
    (_mapping(origin=Column("id", "st..ing/", "identity")), "'st..ing/' is no Arrow type"),
    (_mapping(origin=Column("", "int64", "identity")), "column '' is used and not read"),
    (_mapping(field=COPY.mappings[1].field), "not those of the collection"),
    (_copy(collection=replace(COLLECTION, name="b")), "no step makes or checks 'b'"),
    (_copy(collection=replace(COLLECTION, fields=COLLECTION.fields[1:])), "no primary key"),
    (
        _with(
            Verify(
                id="v",
                copy="copy.b",
                collection="a",
                mode=PLAN.steps[1].mode,
                count=CountCheck.EXACT,
                digest=DigestCheck.FULL,
            )
        ),
        "'copy.b'",
    ),  # type: ignore[union-attr]
    (
        _with(
            Verify(
                id="v",
                copy="copy.a",
                collection="b",
                mode=PLAN.steps[1].mode,
                count=CountCheck.EXACT,
                digest=DigestCheck.FULL,
            )
        ),
        "copies 'a'",
    ),  # type: ignore[union-attr]
    (
        _with(ImportFiles(id="i2", copy="copy.a", collection="a", files=0, stall_seconds=1)),
        "0 files an import",
    ),
    (replace(PLAN, steps=(*PLAN.steps, PLAN.steps[0])), "two steps have this id"),
    (_copy(splits=(), rows=7), "its splits have 0 rows, and it has 7 rows"),
    (
        _copy(splits=(replace(COPY.splits[0], rows=3),), rows=2),
        "its splits have 3 rows, and it has 2 rows",
    ),
    (replace(PLAN, workers=0), "workers: 0"),
    (replace(PLAN, workers=10**9), "workers: 1000000000"),
]


@pytest.mark.parametrize(("plan", "said"), FORGED)
def test_what_mmc_could_not_have_made_is_refused(plan: Plan, said: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        codec.read_plan(codec.write_plan(plan), "p.json")
    messages = [found.message for found in caught.value.diagnostics]
    assert any(said in message for message in messages), messages
    assert {found.code for found in caught.value.diagnostics} == {"MMC125"}


def _forge_directory(plan: Plan) -> Plan:
    return _each(
        plan, CopySplits, lambda it: replace(it, layout=Layout(FileFormat.PARQUET, "../../out2"))
    )


def _forge_split(plan: Plan) -> Plan:
    def forged(step: Any) -> Any:
        return replace(step, splits=tuple(replace(it, id="x/../../../y") for it in step.splits))

    return _each(plan, CopySplits, forged)


def _forge_manifest(plan: Plan) -> Plan:
    return _each(plan, WriteManifest, lambda it: replace(it, path="../../../m.json"))


def _each(plan: Plan, kind: type[Step], change: Callable[[Any], Any]) -> Plan:
    return replace(
        plan, steps=tuple(change(it) if isinstance(it, kind) else it for it in plan.steps)
    )


@pytest.mark.parametrize("forge", [_forge_directory, _forge_split, _forge_manifest])
def test_a_forged_plan_touches_nothing(tmp_path: Path, forge: Callable[[Plan], Plan]) -> None:
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    np.save(folder / "rows.npy", np.ones((3, 4), np.float32))
    (folder / "spec.yaml").write_text(
        "version: 1\nsource: {type: files, path: rows.npy}\ntarget: {type: files, url: out/here}\n"
    )
    mmc(folder, "plan", "spec.yaml", "-o", "plan.json")
    honest = codec.read_plan((folder / "plan.json").read_text())
    assert isinstance(honest.steps[0], CreateCollection)
    (folder / "plan.json").write_text(codec.write_plan(forge(honest)))
    before = sorted(tmp_path.rglob("*"))
    for command in ("show", "apply"):
        assert "MMC125" in mmc(folder, command, "plan.json", code=1).err
    assert sorted(tmp_path.rglob("*")) == before
