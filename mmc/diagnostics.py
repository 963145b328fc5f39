"""A user's mistake as a value: code, place, message, hint. Drawing is the views' work.

Codes: MMC1xx text and YAML, 2xx structure, templates and secrets, 3xx fields, types, casts and collections,
4xx source, 5xx target and route, 6xx run, 7xx verify. Each has a paragraph in docs/diagnostics.md (a test checks).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text file. Lines and columns count from 1; `end_column` is exclusive.

    `text` is the whole line, for the snippet; empty when it must not be shown (it may hold a secret).
    """

    file: str
    line: int
    column: int
    end_column: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    Attributes:
        code: `MMC311`; a key of CODES.
        message: one line, no trailing full stop, names the value and the place.
        span: where in the spec; None when it is about a fact that no line of the spec names.
        label: what stands under the caret, such as "longest value seen: 91 bytes".
        hint: what to do about it, one line.
        path: place in the document, such as `collections[0].fields[1].type`.
    """

    code: str
    message: str
    severity: Severity = Severity.ERROR
    span: Span | None = None
    label: str = ""
    hint: str = ""
    path: str = ""

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR


CODES: dict[str, str] = {
    # 1xx: text and YAML
    "MMC120": "not JSON",
    "MMC121": "not a plan or facts file",
    "MMC122": "format version",
    "MMC123": "malformed plan or facts",
    "MMC124": "changed by hand",
    # 2xx: structure, templates, secrets
    # 3xx: fields, types, casts, collections
    # 4xx: source
    # 5xx: target and route
    # 6xx: run
    # 7xx: verify
}
"""Code -> title. The paragraph is in docs/diagnostics.md."""
