"""Diagnostics and plans for CI systems: GitHub, SARIF, JUnit, Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from mmc.diagnostics import Diagnostic, Severity, Span
from mmc.plan import codec
from mmc.secrets import REDACTOR
from mmc.version import __version__
from mmc.views import github, junit, markdown, sarif
from mmc.views.formats import FORMATS, render
from tests.views.samples import ERROR, NOTE, WARNING, articles, two_collections

GOLDEN = Path(__file__).parent / "golden"
FOUND = (NOTE, WARNING, ERROR)
SUFFIXES = {"github": "txt", "sarif": "json", "junit": "xml", "markdown": "md", "concise": "txt"}


@pytest.mark.parametrize("format_", FORMATS)
def test_findings(format_: str, golden: Callable[[Path, str], None]) -> None:
    text = render(format_, FOUND, None).replace(__version__, "<version>")
    golden(GOLDEN / f"findings-{format_}.{SUFFIXES[format_]}", text)


@pytest.mark.parametrize("format_", ["github", "junit", "markdown"])
def test_a_plan(format_: str, golden: Callable[[Path, str], None]) -> None:
    text = render(format_, (WARNING,), articles())
    text = text.replace(codec.digest(articles()), "<digest>")
    golden(GOLDEN / f"plan-{format_}.{SUFFIXES[format_]}", text)


@pytest.mark.parametrize("format_", FORMATS)
def test_nothing_found(format_: str) -> None:
    text = render(format_, (), None)
    assert text == "" or text.endswith("\n")
    assert "MMC" not in text


@pytest.mark.parametrize("format_", FORMATS)
def test_no_secret(format_: str) -> None:
    REDACTOR.learn("hunter22")
    text = render(format_, (Diagnostic("MMC311", "a hunter22 b"),), None)
    assert "a *** b" in text


# -- GitHub --------------------------------------------------------------------------------------


def test_github_shows_the_worst_ten_and_counts_the_others() -> None:
    many = [replace(WARNING, message=f"w{n}") for n in range(9)] + [ERROR] * 3
    lines = github.render(many).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 3 + ["::warning"] * 7 + [
        "::notice"
    ]
    assert "w0" in lines[3]
    assert lines[-1].endswith("2 more findings, in the log of this step")
    assert len(github.render(many[:10]).splitlines()) == 10


def test_github_escapes_what_would_end_a_property_or_a_line() -> None:
    bad = Diagnostic(
        "MMC311", "50%\r\n::error::x", span=Span(file="a,b:c%.yaml", line=1, column=2, end_column=3)
    )
    (line,) = github.render([bad]).splitlines()
    assert line == (
        "::error file=a%2Cb%3Ac%25.yaml,line=1,col=2,endColumn=3,title=MMC311::"
        "50%25%0D%0A::error::x"
    )


# -- SARIF ---------------------------------------------------------------------------------------

SARIF = {
    "type": "object",
    "required": ["version", "runs", "$schema"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name", "version", "rules"],
                                "properties": {
                                    "rules": {
                                        "uniqueItems": True,
                                        "items": {
                                            "required": ["id", "shortDescription"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"pattern": r"^MMC\d{3}$"},
                                                "shortDescription": {"required": ["text"]},
                                            },
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "items": {
                            "required": ["message", "ruleId", "ruleIndex", "level"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"required": ["text"]},
                                "locations": {
                                    "items": {
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation", "region"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "properties": {
                                                            "uri": {"format": "uri-reference"}
                                                        }
                                                    },
                                                    "region": {
                                                        "required": ["startLine", "startColumn"],
                                                        "additionalProperties": {
                                                            "type": "integer",
                                                            "minimum": 1,
                                                        },
                                                    },
                                                },
                                            }
                                        },
                                    }
                                },
                            },
                        }
                    },
                },
            },
        },
    },
}
"""The parts of the OASIS schema that we write, with what GitHub demands beyond it."""


@pytest.mark.parametrize("found", [(), FOUND, (*FOUND, *FOUND)], ids=["none", "some", "twice"])
def test_sarif_is_valid(found: tuple[Diagnostic, ...]) -> None:
    log = json.loads(sarif.render(found))
    jsonschema.Draft202012Validator(SARIF).validate(log)
    (run,) = log["runs"]
    assert len(run["results"]) == len(found)
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_sarif_places() -> None:
    outside = replace(WARNING, span=Span(file="/tmp/a b.yaml", line=3, column=5, end_column=5))
    log = json.loads(sarif.render([ERROR, outside]))
    first, second = (
        result["locations"][0]["physicalLocation"] for result in log["runs"][0]["results"]
    )
    assert first["artifactLocation"]["uri"] == "dir%2C%20one/a%20b.yaml"
    assert first["region"] == {"startLine": 4, "startColumn": 3, "endColumn": 9}
    assert second["artifactLocation"]["uri"] == "file:///tmp/a%20b.yaml"


# -- JUnit ---------------------------------------------------------------------------------------


def test_junit_fails_for_errors_only() -> None:
    root = ElementTree.fromstring(junit.render(FOUND))
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in root] == [
        ("mmc", "1", "0"),
        ("examples/articles.yaml", "1", "0"),
        ("dir, one/a b.yaml", "1", "1"),
    ]
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.get("message") == ERROR.message
    assert failure.text == f"{ERROR.message}\nhint: {ERROR.hint}"


def test_junit_passes_when_nothing_is_wrong() -> None:
    for text, name in ((junit.render(()), "valid"), (junit.render((), articles()), "plan")):
        (case,) = ElementTree.fromstring(text).iter("testcase")
        assert case.get("name") == name
        assert len(case) == 0


def test_junit_survives_what_xml_cannot_hold() -> None:
    bad = Diagnostic("MMC311", "a\x00\x1b<&>\"'\ufffe]]>😀", severity=Severity.ERROR)
    failure = ElementTree.fromstring(junit.render([bad])).find(".//failure")
    assert failure is not None
    assert failure.text == "a??<&>\"'?]]>😀"


# -- Markdown ------------------------------------------------------------------------------------


def test_markdown_cells_cannot_be_left() -> None:
    text = markdown.render([ERROR])
    (line,) = [line for line in text.splitlines() if "MMC339" in line]
    assert line.count(" | ") == 3
    assert "or\\|not &lt;b>" in line


def test_markdown_fits_a_comment() -> None:
    plan = two_collections()
    wide = replace(plan, steps=plan.steps * 400)
    text = markdown.render([WARNING] * 30, wide)
    assert len(text) < 65_535
    assert "Cut here" in text
    assert text.count("```") == 2
    many = markdown.render([WARNING] * 2_000, None)
    assert len(many) < 65_535
    assert many.count("```") == 0
