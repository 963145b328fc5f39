"""What an author is told who uses the kit in a wrong way, and what it compares."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import mmc.testing
from mmc.errors import PluginMissing
from mmc.testing import Ability, Awkward, Data, SourceSuite, awkward_columns
from mmc.testing.injecting import Crash, StopsOnce
from mmc.testing.leaks import Leaks, process_arguments
from mmc.testing.values import awkward_kinds, difference, rows_of
from mmc.version import DISTRIBUTION


def test_without_pytest_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(PluginMissing, match="needs pytest") as caught:
        mmc.testing.__getattr__("SourceSuite")
    assert (caught.value.code, caught.value.hint) == (
        "MMC661",
        f"pip install '{DISTRIBUTION}[testing]'",
    )


def test_what_cannot_be_done_has_a_reason() -> None:
    with pytest.raises(TypeError, match=r"Bad\.cannot gives no reason for: change"):
        type("Bad", (SourceSuite,), {"cannot": {Ability.CHANGE: " "}})


@pytest.mark.parametrize("name", ["data", "seen", "source"])
def test_a_method_that_hides_a_fixture(name: str) -> None:
    with pytest.raises(TypeError, match=f"Bad.{name} hides a fixture"):
        type("Bad", (SourceSuite,), {name: lambda self: None})


def test_a_missing_ability_is_asked_for_or_explained() -> None:
    class Case(SourceSuite):
        type = "lake"

    with pytest.raises(pytest.fail.Exception, match=r"override `change`.*Ability\.CHANGE"):
        Case().needs(Ability.CHANGE, hook="change")
    with pytest.raises(NotImplementedError, match="override `make`"):
        Case().make(Path())

    class Explained(Case):
        cannot = {Ability.CHANGE: "it is read-only", Awkward.NAN: "JSON has none"}  # noqa: RUF012

        def change(self, data: Data) -> None:
            raise AssertionError

    with pytest.raises(pytest.skip.Exception, match=r"lake cannot change .*: it is read-only"):
        Explained().needs(Ability.CHANGE, hook="change")
    with pytest.raises(pytest.skip.Exception, match="lake has no place for NaN: JSON has none"):
        Explained().needs(Awkward.NAN)


def test_awkward_columns_have_every_kind() -> None:
    assert awkward_kinds(pa.table(awkward_columns())) == set(Awkward)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0.0, -0.0, False),
        (math.nan, None, False),
        (math.nan, math.nan, True),
        (0.1 + 0.2, 0.3, False),
        ("a", "a ", False),
        ([1, None], [1], False),
    ],
)
def test_rows_are_compared_to_the_last_bit(one: object, other: object, same: bool) -> None:
    rows = [rows_of([pa.table({"x": [value]})], ["x"]) for value in (one, other)]
    assert (difference(*rows) == "") is same


def test_a_row_too_many_and_one_too_few() -> None:
    said = difference(["a", "a", "b"], ["a", "b", "c"])
    assert said == "3 rows where there are 3; 1 missing, such as c; 1 too many, such as a"


def test_stops_get_further_each_time() -> None:
    stops = StopsOnce()
    places = []
    for _ in range(4):
        try:
            for name in ("read 0", "read 0", "read 1"):
                stops(name)
        except Crash as crash:
            places.append(str(crash))
    assert places == ["read 0, batch 0", "read 0, batch 1", "read 1, batch 0"]


def test_a_secret_is_found_in_any_form(tmp_path: Path) -> None:
    leaks = Leaks({"TOKEN": "p@ss word/1"})
    leaks.search("a URL", "https://u:p%40ss%20word%2F1@host")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "db").write_bytes(b"\x00p@ss word/1\xff")
    leaks.search_files(tmp_path)
    assert [found.partition(":")[0] for found in leaks.found] == ["a URL", "state/db"]
    assert "p@ss" not in " ".join(leaks.found)
    with pytest.raises(ValueError, match="too short"):
        Leaks({"TOKEN": "abc"})


def test_arguments_of_processes_are_heard() -> None:
    import subprocess

    with process_arguments() as heard:
        subprocess.run([sys.executable, "-c", "pass # hunter2"], check=True)
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    assert len(heard) == 1 and "hunter2" in heard[0]
