from __future__ import annotations

from mmc.diagnostics import Diagnostic, Severity, Span
from mmc.views.diagnostics import MAX_WIDTH, render

LINE = "      - {from: _id, to: id, type: varchar(64), primary_key: true}"


def test_the_form() -> None:
    column = LINE.index("varchar") + 1
    first = Diagnostic(
        "MMC311",
        "varchar(64) is shorter than 3 of 10,000 sampled values",
        severity=Severity.WARNING,
        span=Span(
            file="examples/articles.yaml", line=19, column=column, end_column=column + 11, text=LINE
        ),
        label="longest value seen: 91 bytes",
        hint="use varchar(128), or rows.on_error: quarantine",
    )
    second = Diagnostic("MMC217", "about no line", hint="do this", label="because")
    assert render([first, second]) == (
        "examples/articles.yaml:19:35: warning[MMC311]: "
        "varchar(64) is shorter than 3 of 10,000 sampled values\n"
        "   19 |       - {from: _id, to: id, type: varchar(64), primary_key: true}\n"
        "      |                                   ^^^^^^^^^^^ longest value seen: 91 bytes\n"
        "   = hint: use varchar(128), or rows.on_error: quarantine\n"
        "\n"
        "error[MMC217]: about no line\n"
        "   = note: because\n"
        "   = hint: do this\n"
    )
    assert render([]) == ""


def snippet(text: str, column: int, end: int, label: str = "") -> list[str]:
    span = Span(file="f", line=7, column=column, end_column=end, text=text)
    return render([Diagnostic("MMC105", "m", span=span, label=label)]).splitlines()[1:]


def test_tabs_and_wide_characters_keep_the_caret_in_place() -> None:
    assert snippet("\ta: b", 5, 6) == ["    7 |     a: b", "      |        ^"]
    assert snippet("漢字: b", 5, 6) == ["    7 | 漢字: b", "      |       ^"]
    assert snippet("a: 漢字", 4, 6) == ["    7 | a: 漢字", "      |    ^^^^"]
    assert snippet("e\u0301: b", 5, 6) == ["    7 | e\u0301: b", "      |    ^"]


def test_wide_lines_are_cut_around_the_caret() -> None:
    text = "a" * 300 + "MARK" + "b" * 300
    line, under = snippet(text, 301, 305, "here")
    assert len(line) == len("    7 | ") + MAX_WIDTH
    assert line[line.index("MARK") - 3 :].startswith("aaaMARKbbb")
    assert line.startswith("    7 | ...a") and line.endswith("b...")
    assert under.index("^^^^") == line.index("MARK") and under.endswith("^^^^ here")
    line, under = snippet("x" * 500, 1, 501)
    assert line.endswith("...") and under.count("^") == MAX_WIDTH // 2
    line, under = snippet("k: " + "x" * 200, 1, 2)
    assert line.startswith("    7 | k: x") and under == "      | ^"
    line, under = snippet("y" * 200 + "end", 201, 204)
    assert line.endswith("yend") and under.endswith("^^^") and len(under) == len(line)


def test_control_characters_do_not_reach_the_terminal() -> None:
    shown = render(
        [
            Diagnostic(
                "MMC105",
                "a\x1b[31m\nb",
                span=Span(file="f\x07", line=1, column=1, end_column=2, text="\x1b]0;x\x07"),
            )
        ]
    )
    assert not {c for c in shown if ord(c) < 32} - {"\n"}
    assert shown.count("\n") == 3


def test_a_span_without_text_shows_its_place_only() -> None:
    shown = render(
        [
            Diagnostic(
                "MMC220",
                "plain",
                span=Span(file="f", line=3, column=9, end_column=12),
                label="why",
                hint="h",
            )
        ]
    )
    assert shown == "f:3:9: error[MMC220]: plain\n   = note: why\n   = hint: h\n"


def test_long_line_numbers_widen_the_gutter() -> None:
    shown = render(
        [
            Diagnostic(
                "MMC105", "m", span=Span(file="f", line=123456, column=1, end_column=2, text="x")
            )
        ]
    )
    assert shown.splitlines()[1:] == [" 123456 | x", "        | ^"]
