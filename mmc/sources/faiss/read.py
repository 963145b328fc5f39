"""A piece of an index -> blocks of ids and vectors, a few MiB each, which batches are cut from.

Reads with `pread`, never through a mapping: vectors in a Faiss file are not aligned (Flat data
begins at byte 45), mapped pages count as memory of the process, and a file that shrinks meanwhile
would kill it instead of raising.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmc.sources.faiss.ids import Ids
from mmc.sources.faiss.lossy import Decoder
from mmc.sources.faiss.nodes import Coded, Flat, Ivf, Lists, Packed
from mmc.sources.faiss.table import Table
from mmc.storage.urls import Blob, is_local

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK_BYTES = 4 << 20
"""Least bytes of vectors that a block aims at: smaller reads cost time, remote ones most."""
_MOST_BYTES = 16 << 20
"""Most bytes of vectors in a block, unless one vector is larger."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive rows.

    Attributes:
        ids: int64.
        vectors: their bytes, packed; None when not asked for.
        first: row of the first one, in the file or in its list.
        lists: (numbers, first positions in the block) of the lists, where there are any.
    """

    ids: NDArray[np.int64]
    vectors: bytes | memoryview | None
    first: int
    lists: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    def place(self, row: int) -> tuple[int, str]:
        """Row and unit of a position in the block, for `Origin`."""
        import numpy as np

        if self.lists is None:
            return self.first + row, "row"
        numbers, firsts = self.lists
        at = int(np.searchsorted(firsts, row, "right")) - 1
        return (self.first if at == 0 else 0) + row - int(firsts[at]), f"list:{int(numbers[at])}"


class Reader:
    """Reads one open index. `index` is its file, `data` the file of the lists (often the same)."""

    def __init__(
        self, table: Table, index: Blob, data: Blob, *, vectors: bool, batch_rows: int
    ) -> None:
        self._table = table
        self._index = index
        self._data = data
        self._vectors = vectors
        self._ids = Ids(index, table.id_map)
        self._decoder = Decoder(table, index) if vectors and table.lossy else None
        self._most = _block_rows(table.width, batch_rows)

    def rows(self, start: int, stop: int) -> Iterator[Block]:
        """Rows start..stop-1 of an index without lists."""
        for begin in range(start, stop, self._most):
            end = min(begin + self._most, stop)
            vectors = self._stored(begin, end) if self._vectors else None
            yield Block(self._ids.of_rows(begin, end), vectors, begin)

    def list_rows(self, number: int, start: int, stop: int) -> Iterator[Block]:
        """Rows start..stop-1 of one list."""
        import numpy as np

        lists = self._lists
        i = int(np.searchsorted(lists.numbers, number))
        for begin in range(start, stop, self._most):
            yield from self._slice(i, begin, min(begin + self._most, stop))

    def lists(self, start: int, stop: int) -> Iterator[Block]:
        """All rows of the lists with numbers start..stop-1. Small lists share a block."""
        import numpy as np

        lists = self._lists
        i, end = (int(at) for at in np.searchsorted(lists.numbers, [start, stop]))
        stops = np.cumsum(lists.sizes[i:end])
        first = i
        while i < end:
            before = int(stops[i - first - 1]) if i > first else 0
            j = first + int(np.searchsorted(stops, before + self._most, "right"))
            if j <= i:
                for begin in range(0, int(lists.sizes[i]), self._most):
                    stop_row = min(begin + self._most, int(lists.sizes[i]))
                    yield from self._slice(i, begin, stop_row)
                i += 1
            else:
                yield from self._run(i, j)
                i = j

    @property
    def _lists(self) -> Lists:
        assert isinstance(self._table.store, Ivf)
        return self._table.store.lists

    def _stored(self, start: int, stop: int) -> bytes | memoryview:
        store, rows = self._table.store, stop - start
        match store:
            case Flat():
                raw = self._index.read_at(
                    store.data.offset + start * store.header.stride, rows * store.header.stride
                )
                if self._decoder is None:
                    return raw
                return self._finish(_floats(raw, store.header.d))
            case Coded():
                assert self._decoder is not None
                size = store.data.count // store.header.ntotal
                raw = self._index.read_at(store.data.offset + start * size, rows * size)
                return self._finish(self._decoder.codes(raw))
            case Packed():
                assert self._decoder is not None
                first, last = start // store.per_block, -(-stop // store.per_block)
                raw = self._index.read_at(
                    store.data.offset + first * store.block, (last - first) * store.block
                )
                skipped = start - first * store.per_block
                vectors = self._decoder.blocks(raw, skipped + rows)[skipped:]
                return self._finish(vectors)
            case Ivf():
                raise AssertionError("an index with lists is read by list")

    def _slice(self, i: int, start: int, stop: int) -> Iterator[Block]:
        """Rows start..stop-1 of the i-th non-empty list."""
        import numpy as np

        lists = self._lists
        raw = self._data.read_at(int(lists.ids[i]) + start * 8, (stop - start) * 8)
        numbers = lists.numbers[i : i + 1]
        vectors = self._list_vectors(i, start, stop) if self._vectors else None
        yield from self._blocks(
            np.frombuffer(raw, "<i8"), vectors, start, (numbers, np.zeros(1, np.int64))
        )

    def _list_vectors(self, i: int, start: int, stop: int) -> bytes | memoryview:
        import numpy as np

        lists, at = self._lists, int(self._lists.codes[i])
        if lists.per_block:
            assert self._decoder is not None
            first, last = start // lists.per_block, -(-stop // lists.per_block)
            raw = self._data.read_at(at + first * lists.block, (last - first) * lists.block)
            skipped = start - first * lists.per_block
            rows = skipped + stop - start
            return self._finish(self._decoder.blocks(raw, rows, int(lists.numbers[i]))[skipped:])
        size = lists.code_size
        raw = self._data.read_at(at + start * size, (stop - start) * size)
        return self._decoded(raw, np.full(stop - start, lists.numbers[i]))

    def _run(self, i: int, j: int) -> Iterator[Block]:
        """All rows of the non-empty lists i..j-1, which are small."""
        import numpy as np

        lists = self._lists
        sizes = lists.sizes[i:j]
        firsts = np.cumsum(sizes) - sizes
        vectors: bytes | memoryview | None = None
        if lists.per_block:
            ids = self._gather(lists.ids[i:j], sizes * 8)
            if self._vectors:
                parts = [self._list_vectors(k, 0, int(lists.sizes[k])) for k in range(i, j)]
                vectors = b"".join(parts)
        elif self._vectors:
            codes, ids = self._both(i, j)
            vectors = self._decoded(codes, np.repeat(lists.numbers[i:j], sizes))
        elif is_local(self._data.url):
            ids = self._gather(lists.ids[i:j], sizes * 8)
        else:
            _, ids = self._both(i, j)
        yield from self._blocks(np.frombuffer(ids, "<i8"), vectors, 0, (lists.numbers[i:j], firsts))

    def _both(self, i: int, j: int) -> tuple[bytes, bytes]:
        """Codes and ids of lists, by one read where they lie close together."""
        lists = self._lists
        codes, ids = lists.codes[i:j], lists.ids[i:j]
        code_bytes, id_bytes = lists.sizes[i:j] * lists.code_size, lists.sizes[i:j] * 8
        low, high = int(codes.min()), int((ids + id_bytes).max())
        if high - low > 2 * int(code_bytes.sum() + id_bytes.sum()) + 4096:
            return self._gather(codes, code_bytes), self._gather(ids, id_bytes)
        raw = memoryview(self._data.read_at(low, high - low))
        return _cut(raw, codes - low, code_bytes), _cut(raw, ids - low, id_bytes)

    def _gather(self, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> bytes:
        read = self._data.read_at
        pairs = zip(starts.tolist(), lengths.tolist(), strict=True)
        return b"".join([read(start, length) for start, length in pairs])

    def _decoded(self, raw: bytes, numbers: NDArray[np.int64]) -> bytes | memoryview:
        store = self._table.store
        if self._decoder is None:
            return raw
        if isinstance(store, Ivf) and store.quantizer:
            return self._finish(self._decoder.listed(raw, numbers))
        return self._finish(_floats(raw, store.header.d))

    def _finish(self, vectors: NDArray[np.float32]) -> memoryview:
        import numpy as np

        assert self._decoder is not None
        whole = np.ascontiguousarray(self._decoder.reversed(vectors), np.float32)
        return whole.reshape(-1).view(np.uint8).data

    def _blocks(
        self,
        labels: NDArray[np.int64],
        vectors: bytes | memoryview | None,
        first: int,
        lists: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> Iterator[Block]:
        """One block, or several where duplicates come on top."""
        import numpy as np

        duplicates = self._table.duplicates
        if duplicates is None or not duplicates.rows or not duplicates.counts(labels).any():
            yield Block(self._ids.of_labels(labels), vectors, first, lists)
            return
        numbers, firsts = lists
        wide = None
        if vectors is not None:
            wide = np.frombuffer(vectors, np.uint8).reshape(len(labels), -1)
        for rows, ids in duplicates.expand(labels, self._most):
            some, at = np.unique(np.searchsorted(firsts, rows, "right") - 1, return_index=True)
            copied = None if wide is None else wide[rows].reshape(-1).data
            begin = first + int(rows[0]) - int(firsts[some[0]])
            yield Block(
                self._ids.of_labels(ids), copied, begin, (numbers[some], at.astype(np.int64))
            )


def _block_rows(width: int, batch_rows: int) -> int:
    """Rows of a block: whole batches, as far as they are small enough."""
    most = max(1, _MOST_BYTES // width)
    if batch_rows >= most:
        return most
    return batch_rows * max(1, _BLOCK_BYTES // width // batch_rows)


def _floats(raw: bytes, d: int) -> NDArray[np.float32]:
    import numpy as np

    return np.frombuffer(raw, "<f4").reshape(-1, d)


def _cut(raw: memoryview, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> bytes:
    pairs = zip(starts.tolist(), lengths.tolist(), strict=True)
    return b"".join([raw[start : start + length] for start, length in pairs])
