"""Secrets are references until a client connects.

A `SecretRef` travels through spec, plan and state; `resolve` turns it into text at connect time
only, and tells the one `Redactor`, which every view and log handler asks before a line leaves the
program.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mmc.errors import SecretError
from mmc.types import JsonValue


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is: `env:NAME` or `file:/path`. Never the secret itself."""

    scheme: str
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"

    def to_json(self) -> dict[str, str]:
        return {"secret": str(self)}

    @classmethod
    def parse(cls, text: str) -> SecretRef:
        """Raises ValueError when the text is neither `env:NAME` nor `file:PATH`."""
        scheme, _, name = text.partition(":")
        if scheme not in ("env", "file") or not name:
            raise ValueError("a secret is `env:NAME` or `file:/path`")
        return cls(scheme, name)


class Redactor:
    """Replaces every known secret in a text by `***`. One instance, `REDACTOR`, serves the
    process.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, secret: str) -> None:
        """Secrets under 4 characters are not replaced: they would eat ordinary text."""
        if len(secret) >= 4:
            self._known.add(secret)

    def clean(self, text: str) -> str:
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def clean_data(self, value: JsonValue) -> JsonValue:
        """JSON data with every text in it cleaned, before JSON escapes a character of a secret."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, list):
            return [self.clean_data(item) for item in value]
        if isinstance(value, dict):
            return {key: self.clean_data(item) for key, item in value.items()}
        return value


REDACTOR = Redactor()


class RedactingFilter(logging.Filter):
    """The last gate before a log line is written."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = REDACTOR.clean(record.getMessage()), None
        return True


class Reference(Protocol):
    """A reference as options have it: `env:NAME` or `file:/path`."""

    @property
    def secret(self) -> str: ...


def resolve(value: SecretRef | Reference | Mapping[str, object] | str | None) -> str | None:
    """The text behind a reference (or `{"secret": "env:NAME"}` as it stands in a plan); plain text
    passes through. Line breaks at the end are left out: files have them, and variables made from
    files.

    Raises:
        SecretError: it is no reference (in a plan that was edited), the variable is not set, or the
            file cannot be read. The message names the reference only.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, SecretRef):
        ref = value
    else:
        said = str(value["secret"] if isinstance(value, Mapping) else value.secret)
        try:
            ref = SecretRef.parse(said)
        except ValueError as error:
            # What stands there may be the secret itself.
            raise SecretError(
                f"{error}; the options have something else in its place",
                hint="make the plan again",
                code="MMC645",
            ) from None
    if ref.scheme == "env":
        found = os.environ.get(ref.name)
        if found is None:
            raise SecretError(
                f"secret {ref}: the environment variable {ref.name} is not set",
                hint="set it in the environment of this command",
                code="MMC645",
            )
        text = found
    else:
        try:
            text = Path(ref.name).read_text(encoding="utf-8")
        except OSError as error:
            raise SecretError(
                f"secret {ref}: {error.strerror}",
                hint="is the file there, and may this user read it?",
                code="MMC645",
            ) from None
        except UnicodeDecodeError:
            raise SecretError(f"secret {ref}: the file is not UTF-8 text", code="MMC645") from None
    text = text.rstrip("\r\n")
    REDACTOR.learn(text)
    return text


def resolve_line(value: SecretRef | Reference | Mapping[str, object] | str | None) -> str | None:
    """As `resolve`, for a key, token or header: such a text is one line.

    Raises:
        SecretError: as there, and where it is not one line. The text is not shown.
    """
    text = resolve(value)
    if text is None or not BREAKS.intersection(text):
        return text
    what = value["secret"] if isinstance(value, Mapping) else value
    name = f"secret {what}" if not isinstance(value, str) else "a key or token"
    raise SecretError(
        f"{name}: it has a line break or a NUL inside, and cannot be sent so",
        hint="is it one line, as the server gave it, without anything before or after it?",
        code="MMC645",
    )


BREAKS = frozenset("\r\n\0")
"""Characters that no header can hold, and that no login or key has."""
