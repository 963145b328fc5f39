"""What pyproject.toml says of dependencies: both bounds, each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet

ROOT = Path(__file__).resolve().parents[1]


def requirements() -> Iterator[tuple[str, Requirement]]:
    """(group, requirement) of all that is required for building, running and testing. The extras of
    mmc itself are none.
    """
    said = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = {
        "build": said["build-system"]["requires"],
        "run": said["project"]["dependencies"],
        **said["project"]["optional-dependencies"],
    }
    for group, texts in groups.items():
        for requirement in map(Requirement, texts):
            if requirement.name != "mmc":
                yield group, requirement


def lowest(requirement: Requirement) -> str | None:
    """The lowest version that is said."""
    return next((one.version for one in requirement.specifier if one.operator in LOWER), None)


LOWER = (">=", "==")
UPPER = ("<", "==")


def is_bounded(specifier: SpecifierSet) -> bool:
    def has(operators: tuple[str, ...]) -> bool:
        return any(one.operator in operators for one in specifier)

    return has(LOWER) and has(UPPER)


@pytest.mark.parametrize(
    ("group", "requirement"), list(requirements()), ids=lambda value: str(value).partition(";")[0]
)
def test_a_dependency_has_both_bounds(group: str, requirement: Requirement) -> None:
    assert is_bounded(requirement.specifier), f"{group}: {requirement}"
    # The bounds leave something between them, and the lowest version is one that is allowed.
    assert requirement.specifier.contains(lowest(requirement) or "", prereleases=True)


@pytest.mark.parametrize("text", ["", ">=1", "<2", "!=1.5", "~=1.5"])
def test_a_bound_that_is_missing_is_seen(text: str) -> None:
    assert not is_bounded(SpecifierSet(text))
    assert is_bounded(SpecifierSet(">=1,<2") & SpecifierSet(text))


def test_there_are_many() -> None:
    found = {requirement.name: group for group, requirement in requirements()}
    assert found["duckdb"] == "run" and found["pymilvus"] == "milvus" and found["ruff"] == "dev"
    assert Specifier(">=1").operator in LOWER
