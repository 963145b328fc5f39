"""What a server says when it does not answer, as an error of mmc: what helps, and whether asking
again may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from mmc.errors import SourceBusy, SourceError, SourceMissing
from mmc.secrets import REDACTOR

PRIVILEGES = "the user needs the index privileges read and view_index_metadata on these indices"
CREDENTIALS = (
    "add credentials: `source.auth` in the spec; for `mmc init` --set source.auth.api_key=env:NAME,"
    " or --set source.auth.password=env:NAME"
)
CONTEXT_LOST = "search_context_missing_exception"


class RequestRefused(SourceError):
    """The server understands the request, and does not do it: it may do another."""


def refusal(
    status: int, body: bytes, place: str, *, has_query: bool = False, signed: bool = True
) -> SourceError:
    """The error for an answer of this status.

    Args:
        place: what was asked, such as `POST /docs/_search at http://es:9200`.
        has_query: the request carried the user's `source.query`.
        signed: it carried credentials.
    """
    kinds, words = _said(body)
    text = f"{place}: {words or f'status {status}'}"
    if status == 403 and "cluster_block_exception" in kinds:
        hint = 'lift it: PUT <index>/_settings {"index.blocks.read": null}, or blocks.metadata'
        return SourceError(text, hint=hint, code="MMC451")
    if status in (401, 403):
        hint = PRIVILEGES if status == 403 else "are user and password, key or token of this one?"
        return SourceError(text, hint=hint if signed else CREDENTIALS, code="MMC451")
    if CONTEXT_LOST in kinds:
        return SourceBusy(text, hint="the split is read again from its begin", code="MMC459")
    if "index_closed_exception" in kinds:
        return SourceError(text, hint="open it, or leave it out of source.index", code="MMC462")
    if status == 404 and "index_not_found_exception" in kinds:
        return SourceMissing(text, hint="see source.index", code="MMC452")
    if status == 404 and not kinds:
        # A cluster says in JSON what it has not found. A proxy that is set up anew has a page.
        return SourceBusy(
            f"{text} (status 404)",
            hint="is this a proxy's own page? See the path of source.url, and where it leads",
            code="MMC450",
        )
    if status == 429 or status >= 500:
        hint = "lower source.read.concurrency, or page_bytes" if status == 429 else ""
        code = "MMC459" if "search_phase_execution_exception" in kinds else "MMC450"
        return SourceBusy(text, hint=hint, code=code)
    if status == 400 and has_query:
        return RequestRefused(
            f"source.query is refused: {text}",
            hint="try the same query in a _search of your own",
            code="MMC453",
        )
    return RequestRefused(text, code="MMC461")


def garbled(place: str, body: bytes) -> SourceBusy:
    """The error for an answer that is none of a search, or only a part of one.

    Its beginning is shown only where it is no JSON: else it may hold values of documents.
    """
    start = " ".join(body[:80].decode(errors="replace").split())
    shown = "ends too soon, or is another's" if start.startswith("{") else f"is `{start}`"
    return SourceBusy(
        f"{place}: the answer is no whole JSON of the cluster: it {shown}",
        hint="does a proxy or a load balancer between cut answers, or give its own?",
        code="MMC459",
    )


def kinds_of(body: bytes) -> set[str]:
    """The types of an error, and of its causes."""
    return _said(body)[0]


def _said(body: bytes) -> tuple[set[str], str]:
    """The types of an error and of its causes, and the words of the deepest."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return set(), " ".join(body[:200].decode(errors="replace").split())
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict):
        return set(), REDACTOR.clean(str(error or ""))[:500]
    roots = error.get("root_cause")
    roots = roots if isinstance(roots, list) else []
    causes = [error, *(root for root in roots if isinstance(root, Mapping)), *_chain(error)]
    reasons = [str(cause.get("reason") or "") for cause in causes]
    words = next((reason for reason in reversed(reasons[1:]) if reason), reasons[0])
    kinds = {str(cause.get("type") or "") for cause in causes}
    own = str(error.get("reason") or "")
    shown = words if not own or own in words or own == "all shards failed" else f"{own} ({words})"
    return kinds, REDACTOR.clean(shown)[:500]


def _chain(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    while isinstance(error := error.get("caused_by"), Mapping):  # type: ignore[assignment]
        found.append(error)
    return found
