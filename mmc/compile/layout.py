"""Pass 7: names and format of the files that a files target gets."""

from __future__ import annotations

from dataclasses import replace

from mmc.compile.draft import Draft
from mmc.plan.model import Layout


def lay_out(draft: Draft) -> Draft:
    if not draft.facts.target.capabilities.whole_files:
        return draft
    format_ = str(draft.spec.target.options.get("format", "parquet"))
    return replace(
        draft,
        collections=tuple(
            replace(collection, layout=Layout(format_, collection.to))
            for collection in draft.collections
        ),
    )
