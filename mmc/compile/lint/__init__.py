"""Advice. A rule is a function from a Draft to diagnostics; `RULES` lists them; levels are
in `spec.lint`.
"""

from __future__ import annotations

from typing import Final

from mmc.compile.draft import Draft
from mmc.compile.lint.source import lossy_vectors, lost_rows, source_notes, weak_fingerprints
from mmc.compile.lint.values import (
    long_json,
    narrow_integers,
    nulls_to_fields,
    short_varchar,
    vectors_not_finite,
)

RULES: Final = (
    short_varchar,
    narrow_integers,
    nulls_to_fields,
    vectors_not_finite,
    long_json,
    lossy_vectors,
    lost_rows,
    weak_fingerprints,
    source_notes,
)


def lint(draft: Draft) -> Draft:
    for rule in RULES:
        draft = draft.say(rule(draft))
    return draft
