"""Batches of one piece: pages, decoded, in order of sequence number, with places and flaws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmc.arrow.schema import Flaw, Origin, with_flaws, with_origin
from mmc.documents.unmapped import as_column, noted
from mmc.facts import Extent
from mmc.sources.elasticsearch.client.answers import Misshapen
from mmc.sources.elasticsearch.client.connect import Connection
from mmc.sources.elasticsearch.decoding.page import Page
from mmc.sources.elasticsearch.decoding.tokens import TokenTable, ensure_planned
from mmc.sources.elasticsearch.errors import garbled
from mmc.sources.elasticsearch.extents import SEQ_NO, Bounds, Place, columns_of, pages
from mmc.sources.elasticsearch.mapping.column import Kind
from mmc.types import UNMAPPED


def batches_of(
    connection: Connection,
    piece: Extent,
    names: Sequence[str],
    batch_rows: int,
    tokens: TokenTable | None,
    page_bytes: int = 0,
) -> Iterator[pa.RecordBatch]:
    """Yields the piece in batches of at most `batch_rows`, with exactly the columns `names`.

    Raises:
        SourceChanged: the index is gone or another one, or the token table is.
        SourceBusy: it cannot be read now, or an answer is cut off, or another's: sequence numbers
            rise, so that a page which a cache gives twice is not counted for the one it replaces.
    """
    locator = piece.place
    place = Place.of(locator)
    known = {column.path: column for column in columns_of(locator)}
    beyond = UNMAPPED in names and UNMAPPED not in known
    wanted = [known[name] for name in names if name in known or not beyond]
    for column in wanted:
        if column.kind is Kind.SPARSE:
            ensure_planned(tokens, column.tokens)
    rows = piece.rows or 0
    bounds = Bounds(piece.start, piece.stop, rows, piece.bytes / rows if rows else 0.0)
    unit = SEQ_NO if place.method == SEQ_NO else "document"
    order = _Order(piece.start, piece.stop)
    done = 0
    for body in pages(connection, place, bounds, names, page_bytes):
        answer = parsed(body, place.name)
        try:
            decoded = answer.decode(wanted, tokens, known.values())
            if unit == SEQ_NO:
                order.ensure_next(decoded.places, answer)
        except Misshapen:
            raise garbled(f"a search of index {place.name}", body) from None
        rows = decoded.batch.num_rows
        page = decoded.batch
        if beyond:
            page = page.append_column(UNMAPPED, as_column(decoded.outside, rows)).select(names)
        numbers = decoded.places if unit == SEQ_NO else np.arange(done, done + rows)
        for start in range(0, rows, batch_rows):
            stop = min(start + batch_rows, rows)
            batch = page.slice(start, stop - start)
            some = [
                Flaw(flaw.row - start, flaw.column, flaw.reason, flaw.shown)
                for flaw in decoded.flaws
                if start <= flaw.row < stop
            ]
            here = numbers[start:stop]
            origin = Origin(place.name, int(here[0]), unit, here)
            batch = with_flaws(with_origin(batch, origin), some)
            yield batch if beyond else noted(batch, decoded.outside, start)
        done += rows


class _Order:
    """Whether each page is the next one, and not another's or the same again."""

    def __init__(self, start: int, stop: int) -> None:
        self._next, self._stop = start, stop
        self._crowded = -1
        """A number that filled a page alone: the next page may have more of its documents."""
        self._crowd: set[tuple[str, str | None]] = set()

    def ensure_next(self, numbers: npt.NDArray[np.int64], page: Page) -> None:
        """Numbers rise from page to page; several documents of an index that was shrunk have the
        same one. Raises Misshapen.
        """
        if not len(numbers):
            return
        first, last = int(numbers[0]), int(numbers[-1])
        keys = page.keys() if first == last else []
        if first == last == self._crowded and self._crowd.isdisjoint(keys):
            self._crowd.update(keys)
            return
        if first < self._next or last >= self._stop or (np.diff(numbers) < 0).any():
            raise Misshapen("another page, or the same again")
        self._next = last + 1
        self._crowded = last if first == last else -1
        self._crowd = set(keys)


def parsed(body: bytes, place: str) -> Page:
    """Raises SourceBusy (MMC459) where the page is cut off, or another's."""
    try:
        return Page.parse(body)
    except ValueError:
        raise garbled(f"a search of index {place}", body) from None


def ensured(body: bytes, place: str) -> int:
    """How many documents a page has, all of which are documents. Raises SourceBusy (MMC459)."""
    try:
        return len(parsed(body, place).keys())
    except Misshapen:
        raise garbled(f"a search of index {place}", body) from None
