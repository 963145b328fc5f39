"""Inverted lists: where codes and ids of each list are, from the three ways Faiss stores them.

    ilar  in the index file: nlist, code_size, sizes (full or sparse), per list codes, then ids
    ilod  in an .ivfdata file: nlist, code_size, (size, capacity, offset) a list, name of the file
    ilbl  FastScan, in the index file: nlist, code_size, shape of a block, per list two vectors
Only non-empty lists are kept, so a table is never larger than what the file spends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmc.errors import SourceError
from mmc.sources.faiss.cursor import Cursor
from mmc.sources.faiss.nodes import Lists
from mmc.storage.urls import exists, is_local, join_url, local_path, open_blob
from mmc.types import JsonValue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read_lists(
    cursor: Cursor, nlist: int, code_size: int, storage: Mapping[str, JsonValue]
) -> Lists:
    """Parses inverted lists and steps behind them.

    Raises:
        SourceError: the tables do not fit the index or the file, or the .ivfdata file is not there.
    """
    at = cursor.position
    kind = cursor.fourcc("the inverted lists")
    if kind == "il00":
        raise cursor.unread("the index was written without its inverted lists", at=at)
    if kind not in ("ilar", "ilod", "ilbl"):
        raise cursor.unread(f"inverted lists of kind `{kind}` are not read", at=at)
    nlist_here, size_here = cursor.unpack("QQ", "the inverted lists")
    plain = kind != "ilbl"
    if nlist_here != nlist or (plain and size_here != code_size):
        raise cursor.fault(
            f"{nlist_here:,} lists of {size_here}-byte codes in an index of {nlist:,} lists "
            f"of {code_size}-byte codes",
            at=at,
        )
    if kind == "ilar":
        return _array(cursor, nlist, code_size)
    if kind == "ilod":
        return _on_disk(cursor, nlist, code_size, storage)
    return _blocks(cursor, nlist, code_size)


def _array(cursor: Cursor, nlist: int, code_size: int) -> Lists:
    import numpy as np

    at = cursor.position
    form = cursor.fourcc("the table of sizes")
    if form == "full":
        span = cursor.vector(8, "the table of sizes", expect=nlist)
        table = np.frombuffer(cursor.read(span), "<u8")
        numbers = np.flatnonzero(table)
        sizes = table[numbers]
    elif form == "sprs":
        span = cursor.vector(8, "the table of sizes")
        if span.count % 2:
            raise cursor.fault("the sparse table of sizes has half a pair", at=at)
        pairs = np.frombuffer(cursor.read(span), "<u8").reshape(-1, 2)
        pairs = pairs[pairs[:, 1] > 0]
        if len(pairs) and (pairs[-1, 0] >= nlist or (pairs[1:, 0] <= pairs[:-1, 0]).any()):
            raise cursor.fault("the sparse table of sizes is not in order", at=at)
        numbers, sizes = pairs[:, 0], pairs[:, 1]
    else:
        raise cursor.fault(f"table of sizes of kind `{form}` is unknown", at=at)
    row = code_size + 8
    _check_total(cursor, sizes, row, cursor.left, at)
    sizes = sizes.astype(np.int64)
    stops = cursor.position + np.cumsum(sizes * row)
    starts = stops - sizes * row
    cursor.skip(int(sizes.sum()), row, "the inverted lists")
    return Lists(
        nlist=nlist,
        code_size=code_size,
        url=cursor.blob.url,
        numbers=numbers.astype(np.int64),
        sizes=sizes,
        codes=starts,
        ids=starts + sizes * code_size,
    )


def _check_total(cursor: Cursor, sizes: NDArray[np.uint64], row: int, room: int, at: int) -> None:
    """Sums as floats first: the sizes are not to be trusted, and their sum may overflow."""
    import numpy as np

    rows = float(sizes.sum(dtype=np.float64))
    if rows * row > room + 1:
        raise cursor.fault(
            f"the inverted lists hold {rows:,.0f} rows of {row} bytes, for which {room:,} bytes "
            "are not enough",
            at=at,
        )


def _on_disk(cursor: Cursor, nlist: int, code_size: int, storage: Mapping[str, JsonValue]) -> Lists:
    import numpy as np

    at = cursor.position
    span = cursor.vector(24, "the table of lists", expect=nlist)
    table = np.frombuffer(cursor.read(span), "<u8").reshape(-1, 3)
    cursor.vector(16, "the free slots")
    name_span = cursor.vector(1, "the name of the lists' file")
    if name_span.count > 4096:
        raise cursor.fault("the name of the lists' file is too long", at=name_span.offset)
    name = cursor.read(name_span).decode("utf-8", "surrogateescape")
    total = cursor.uint64("the size of the lists' file")
    url = _find(cursor.blob.url, name, storage)
    with open_blob(url, storage) as data:
        size = data.size
    if size != total:
        raise SourceError(
            f"{url}: {size:,} bytes, but {cursor.blob.url} was written for a file of {total:,}",
            hint="it belongs to another index, or was cut short; copy both files again",
            code="MMC404",
        )
    numbers = np.flatnonzero(table[:, 0])
    rows = table[numbers]
    row = code_size + 8
    _check_total(cursor, rows[:, 0], row, size, at)
    limit = size // row
    if ((rows[:, 1] < rows[:, 0]) | (rows[:, 1] > limit) | (rows[:, 2] > size)).any():
        raise cursor.fault("a list lies outside the lists' file", at=at)
    sizes, capacities, starts = (rows[:, i].astype(np.int64) for i in range(3))
    if (starts + capacities * row > size).any():
        raise cursor.fault("a list lies outside the lists' file", at=at)
    return Lists(
        nlist=nlist,
        code_size=code_size,
        url=url,
        numbers=numbers,
        sizes=sizes,
        codes=starts,
        ids=starts + capacities * code_size,
    )


def _find(index: str, name: str, storage: Mapping[str, JsonValue]) -> str:
    """Where the .ivfdata file is: Faiss stores an absolute path, which a moved index outlives."""
    folder, _, _ = index.rpartition("/")
    beside = join_url(folder or ".", name.replace("\\", "/").rpartition("/")[2])
    candidates = [beside]
    if not name.startswith("/"):
        candidates.insert(0, join_url(folder or ".", name))
    elif is_local(index):
        candidates.insert(0, name)
    for candidate in dict.fromkeys(candidates):
        if name and _there(candidate, storage):
            return candidate
    raise SourceError(
        f"{index}: its inverted lists are in {name!r}, which is not there",
        hint=f"put the file beside the index, as {beside!r}",
        code="MMC404",
    )


def _there(url: str, storage: Mapping[str, JsonValue]) -> bool:
    """Only regular files: a name in a damaged file may be that of a pipe, which blocks."""
    if not is_local(url):
        return exists(url, storage)
    try:
        return local_path(url).is_file()
    except (OSError, ValueError):
        return False


def _blocks(cursor: Cursor, nlist: int, code_size: int) -> Lists:
    import numpy as np

    at = cursor.position
    per_block, block = cursor.unpack("QQ", "the blocks of the inverted lists")
    if not 1 <= per_block <= 1 << 20 or not 1 <= block <= 1 << 30 or nlist * 16 > cursor.left:
        raise cursor.fault(f"{nlist:,} lists in blocks of {per_block} rows, {block} bytes", at=at)
    found = []
    for number in range(nlist):
        ids = cursor.vector(8, f"the ids of list {number}")
        blocks = -(-ids.count // per_block)
        codes = cursor.vector(1, f"the codes of list {number}", expect=blocks * block)
        if ids.count:
            found.append((number, ids.count, codes.offset, ids.offset))
    table = np.array(found, np.int64).reshape(-1, 4)
    numbers, sizes, codes_at, ids_at = (np.ascontiguousarray(table[:, i]) for i in range(4))
    return Lists(
        nlist=nlist,
        code_size=code_size,
        url=cursor.blob.url,
        numbers=numbers,
        sizes=sizes,
        codes=codes_at,
        ids=ids_at,
        per_block=per_block,
        block=block,
    )
