"""What the spec says of a collection that stays: changed, told, or refused, never ignored."""

from __future__ import annotations

import pytest

from mmc.diagnostics import Severity
from mmc.plan.ddl import AlterCollection, Change
from mmc.plan.model import BuildIndex, CreateCollection
from mmc.types import Index
from tests.compile.targets import HNSW, compiled, there

STAYING = there(properties=(("a", "1"), ("b", "2")), description="old", aliases=("prod",))


def index(said: str) -> str:
    return f"fields: [{{to: embedding, index: {said}}}]"


@pytest.mark.parametrize("mode", ["append", "upsert"])
@pytest.mark.parametrize(
    ("spec", "code", "severity", "words"),
    [
        (index("{type: IVF_FLAT}"), "MMC373", Severity.ERROR, ("type IVF_FLAT", "has HNSW")),
        (index("{type: HNSW, metric: IP}"), "MMC373", Severity.ERROR, ("metric IP", "has L2")),
        (
            index("{type: HNSW, params: {M: 16, efConstruction: 50}}"),
            "MMC374",
            Severity.WARNING,
            ("M=16", "M=8"),
        ),
        (index("none"), "MMC374", Severity.WARNING, ("no index", "HNSW L2 M=8")),
        ("shards: 4", "MMC375", Severity.WARNING, ("`shards: 4`", "has 1")),
        ("dynamic: true", "MMC375", Severity.WARNING, ("`dynamic: true`", "has false")),
        ("description: new", "MMC375", Severity.WARNING, ("'new'", "has 'old'")),
        ("properties: {mmc.run: x}", "MMC379", Severity.ERROR, ("mmc.run",)),
    ],
)
def test_what_differs_names_both(
    mode: str, spec: str, code: str, severity: Severity, words: tuple[str, ...]
) -> None:
    found = compiled(mode, STAYING, spec)
    (message,) = found.said(code, severity)
    assert all(word in message for word in words), message
    assert (found.plan is None) == (severity is Severity.ERROR)
    place = [one.span for one in found.findings if one.code == code]
    assert place[0] is not None and place[0].line == 4


@pytest.mark.parametrize(
    "spec",
    [
        "",
        index("{type: HNSW, metric: L2, params: {M: 8}}"),
        index("{type: HNSW, params: {M: '8'}}"),
        "shards: 1, dynamic: false, description: old, properties: {a: 1}",
    ],
)
def test_what_is_so_already_is_not_told(spec: str) -> None:
    found = compiled("append", STAYING, spec)
    assert found.plan is not None and not found.findings
    kinds = {step.kind for step in found.plan.steps}
    assert not kinds & {"alter_collection", "build_index"}


def test_properties_and_the_description_are_altered_where_the_server_can() -> None:
    spec = "description: new, properties: {a: 1, b: 3, c: true}"
    changed = (Change("b", "2", "3"), Change("c", None, "true"))
    for server, description in (
        ("2.3.5", None),
        ("2.5.11", None),
        ("2.5.12", Change("description", "old", "new")),
        ("2.6.0", Change("description", "old", "new")),
    ):
        found = compiled("upsert", STAYING, spec, server=server)
        assert found.plan is not None
        (step,) = [one for one in found.plan.steps if isinstance(one, AlterCollection)]
        assert step == AlterCollection(
            id="alter.words", collection="words", properties=changed, description=description
        )
        assert bool(found.said("MMC375")) == (description is None)
        assert found.plan.summary.change == 2 + (description is not None)
        kinds = [one.kind for one in found.plan.steps]
        assert kinds.index("create_collection") < kinds.index("alter_collection")
        assert kinds.index("alter_collection") < kinds.index("copy_splits")


def test_the_plan_says_what_stays() -> None:
    found = compiled("append", STAYING)
    assert found.plan is not None
    (check,) = [one for one in found.plan.steps if isinstance(one, CreateCollection)]
    assert (check.indexes, check.aliases) == ((("embedding", HNSW),), ("prod",))


def test_an_index_that_is_missing_is_made_as_the_spec_says() -> None:
    said = "fields: [{to: lang, index: {type: Trie}}]"
    found = compiled("append", STAYING, said)
    assert found.plan is not None
    made = [one for one in found.plan.steps if isinstance(one, BuildIndex)]
    assert [(one.field, one.index) for one in made] == [("lang", Index("Trie"))]


@pytest.mark.parametrize(("server", "kept"), [("2.3.5", True), ("milvus_lite-3.2.2", False)])
def test_a_new_collection_says_only_what_the_target_keeps(server: str, kept: bool) -> None:
    found = compiled("fail", None, "shards: 4, description: new", server=server)
    assert found.plan is not None
    made = found.plan.copies[0].collection
    assert (made.shards, made.description) == ((4, "new") if kept else (1, ""))
    assert len(found.said("MMC375", Severity.NOTE)) == (0 if kept else 2)
