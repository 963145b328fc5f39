"""Plans as they are drawn: golden texts, and what width may not change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmc.plan.model import Plan
from mmc.plan.tree import Line, Symbol, layout, plan_lines, plan_tree, summary_line
from mmc.text import bytes_text, many, rows_text
from tests.views.samples import articles, two_collections

GOLDEN = Path(__file__).parent / "golden"
PLANS = {"articles": articles, "two_collections": two_collections}


@pytest.mark.parametrize("verbose", [False, True], ids=["usual", "verbose"])
@pytest.mark.parametrize("width", [None, 120, 80, 50])
@pytest.mark.parametrize("name", PLANS)
def test_drawn(
    name: str, width: int | None, verbose: bool, golden: Callable[[Path, str], None]
) -> None:
    plan = PLANS[name]()
    lines = [*plan_lines(plan, verbose=verbose, width=width), "", summary_line(plan)]
    file = f"{name}-{width or 'wide'}{'-verbose' if verbose else ''}.txt"
    golden(GOLDEN / file, "\n".join(lines) + "\n")


@pytest.mark.parametrize("plan", [articles(), two_collections()], ids=lambda plan: plan.name)
def test_folding_keeps_every_word_and_symbol(plan: Plan) -> None:
    wide = " ".join(plan_lines(plan)).split()
    for width in (50, 80, 120):
        drawn = plan_lines(plan, width=width)
        assert " ".join(drawn).split() == wide
        narrow = [line for line in drawn if len(line) > width]
        assert all("<-" in line or "  " not in line.strip() for line in narrow), narrow


def test_every_step_is_drawn() -> None:
    for plan in (articles(), two_collections()):
        heads = [line.cells[0] for line in plan_tree(plan)]
        assert len(heads) >= len(plan.steps)


def test_a_replaced_collection_is_removed_before_it_is_made() -> None:
    symbols = [
        line.symbol for line in plan_tree(two_collections()) if line.cells == ("collection other",)
    ]
    assert symbols == [Symbol.REMOVE, Symbol.ADD]


def test_a_long_cell_does_not_push_its_siblings() -> None:
    lines = (
        Line(Symbol.ADD, ("a", "int64", "<- b"), "note"),
        Line(Symbol.ADD, ("c", "int64", "<- " + "x" * 90), "other"),
    )
    rows = [str(row) for row in layout(lines, depth=1)]
    assert rows[0].index("note") < 70
    assert rows[1].endswith("x  other")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (10_188, "9.9 KiB"),
        (10_189, "10 KiB"),
        (1_022_976, "999 KiB"),
        (1_023_999, "1.0 MiB"),
        (3_865_470_566, "3.6 GiB"),
        (2**50, "1.0 PiB"),
    ],
)
def test_bytes_text(size: int, text: str) -> None:
    assert bytes_text(size) == text


@given(st.integers(0, 2**59))
def test_bytes_text_is_short_and_near(size: int) -> None:
    number, unit = bytes_text(size).split()
    factor = 1024 ** ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].index(unit)
    assert len(number) <= 4
    assert abs(float(number) * factor - size) <= max(0.06 * size, 0.5)


def test_counted_nouns() -> None:
    assert (many(1, "split"), many(0, "split"), many(1_234, "index")) == (
        "1 split",
        "0 splits",
        "1,234 indexes",
    )
    assert rows_text(None) == "an unknown number of rows"
