"""A report into a file, by the file's name."""

from __future__ import annotations

from pathlib import Path

from mmc.report.report import Report
from mmc.saving import save_text


def save_report(report: Report, path: Path) -> None:
    """JSON for .json, JUnit XML for .xml, Markdown otherwise. Raises MmcError."""
    from mmc.views.junit import render_report
    from mmc.views.markdown import report_markdown

    match path.suffix:
        case ".json":
            text = report.to_json()
        case ".xml":
            text = render_report(report)
        case _:
            text = report_markdown(report)
    save_text(path, text)
