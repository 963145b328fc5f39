"""Earlier plans whose rows a source leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mmc import registry
from mmc.errors import PluginMissing, SourceError
from mmc.facts import SourceFacts
from mmc.plan.codec import write_plan
from mmc.run.earlier import earlier_plans
from mmc.run.inspect import inspect_source
from mmc.spi import EarlierPlan, Sample
from tests.fakes import FakeOptions, FakeSource
from tests.run.conftest import Bench


class Continuing(FakeSource):
    """A source that tells what it is to leave out."""

    def inspect_after(
        self,
        options: FakeOptions,
        collections: Sequence[str],
        sample: Sample,
        earlier: Sequence[EarlierPlan],
    ) -> SourceFacts:
        ends = max(piece.stop for plan in earlier for piece in plan.pieces)
        raise earlier[0].unusable(f"ends at {ends}")


def test_a_source_gets_the_pieces_of_the_plans_that_its_options_name(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = bench.plan()
    saved = bench.folder / "plan.json"
    saved.write_text(write_plan(plan))
    monkeypatch.setattr(FakeOptions, "earlier_plans", property(lambda self: (str(saved),)))
    with pytest.raises(PluginMissing, match="names earlier plans, and cannot read after them"):
        inspect_source(plan.source, [], Sample())
    monkeypatch.setattr(registry, "source", lambda type: Continuing())
    stop = plan.copies[0].splits[-1].pieces[-1].stop
    with pytest.raises(SourceError, match=f"the earlier plan {saved} ends at {stop}"):
        inspect_source(plan.source, [], Sample())


@pytest.mark.parametrize("text", [None, "{}", "\udcff", "[" * 5000])
def test_a_file_that_is_no_plan_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "plan.json"
    if text is not None:
        file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SourceError, match=f"the earlier plan {file} ") as caught:
        earlier_plans([str(file)])
    assert caught.value.code == "MMC468" and "saved plan" in caught.value.hint
