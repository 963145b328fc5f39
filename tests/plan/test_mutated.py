"""Plans and facts with a right seal and a few values changed at random: read, or refused with a
place. Never a traceback.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mmc.errors import SpecInvalid
from mmc.plan import codec
from mmc.plan.tree import plan_lines
from tests.mutations import change

PLANS = sorted((Path(__file__).parents[1] / "cases" / "compile").glob("*/plan.json"))


def _mutated(text: str, key: str, chance: random.Random) -> tuple[str, list[Any]]:
    """The text with one or two values changed or left out, and sealed anew; and where."""
    body = json.loads(text)
    places = change(body[key], chance)
    with suppress(UnicodeEncodeError):
        body["digest"] = codec.digest(body[key])
    return json.dumps(body), places


def _try(read: Callable[[str], Any], text: str, key: str, seed: int, number: int) -> int:
    """Reads mutated texts; gives how many were refused."""
    chance = random.Random(seed)
    refused = 0
    for _ in range(number):
        changed, places = _mutated(text, key, chance)
        try:
            read(changed)
        except SpecInvalid as error:
            assert all(found.span is not None for found in error.diagnostics)
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {places}: {error!r}") from error
    return refused


def _read_plan(text: str) -> None:
    plan = codec.read_plan(text, "p.json")
    assert plan_lines(plan) or not plan.steps


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.parent.name)
def test_mutated_plans_are_read_or_refused(path: Path) -> None:
    assert _try(_read_plan, path.read_text(encoding="utf-8"), "plan", 1, 120) > 40


def test_mutated_facts_are_read_or_refused() -> None:
    example = Path(__file__).parents[2] / "examples" / "glove" / "facts.json"
    text = example.read_text(encoding="utf-8")
    assert _try(codec.read_facts, text, "facts", 1, 200) > 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 104))
@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.parent.name)
def test_many_mutated_plans_are_read_or_refused(path: Path, seed: int) -> None:
    assert _try(_read_plan, path.read_text(encoding="utf-8"), "plan", seed, 1000)
