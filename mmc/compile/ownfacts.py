"""The facts are those of the source and target of the spec. A file may have others."""

from __future__ import annotations

from collections.abc import Iterator

from mmc.compile.draft import Draft
from mmc.diagnostics import Diagnostic
from mmc.plan.places import place_of


def check_facts(draft: Draft) -> Draft:
    """Refuses facts that were made for another endpoint, or for other options of it."""
    return draft.say(_others(draft))


def _others(draft: Draft) -> Iterator[Diagnostic]:
    ends = (
        ("source", draft.spec.source, draft.facts.source_of),
        ("target", draft.spec.target, draft.facts.target_of),
    )
    for end, endpoint, made_for in ends:
        wanted = place_of(endpoint)
        if made_for not in ("", wanted):
            yield draft.finding(
                "MMC317",
                f"the facts are those of the {end} {made_for}; this spec says {wanted}",
                (end,),
                hint="make them again: mmc inspect SPEC -o FACTS",
            )
