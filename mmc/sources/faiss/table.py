"""Tree of nodes -> one table of rows: where vectors and ids are, and what must be done to them.

The last pure step before reading. Wrappers are walked through here, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from mmc.errors import SourceError
from mmc.sources.faiss.cursor import Span
from mmc.sources.faiss.duplicates import Duplicates, load_duplicates
from mmc.sources.faiss.kinds import CLASSES
from mmc.sources.faiss.layout import parse
from mmc.sources.faiss.nodes import (
    Coarse,
    Coded,
    Flat,
    Graph,
    IdMap,
    Ivf,
    Node,
    Packed,
    PreTransform,
    Refine,
)
from mmc.storage.urls import open_blob
from mmc.types import JsonValue


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Table:
    """The rows of an index.

    Attributes:
        url: the index file.
        root: the whole tree.
        store: the node that holds the vectors.
        id_map: ids by row number, or None.
        chains: transforms to reverse, the one next to the vectors first.
        duplicates: FlatDedup: which ids share a vector.
        rows: rows that can be read.
        lost: rows that the index counts and no list holds.
        lossy: name of the quantiser, or "" when vectors are exact.
    """

    url: str
    root: Node
    store: Flat | Coded | Packed | Ivf
    id_map: Span | None
    chains: tuple[PreTransform, ...]
    duplicates: Duplicates | None
    rows: int
    lost: int
    lossy: str

    @property
    def d(self) -> int:
        """Dimension of the vectors that come out; bits for a binary index."""
        return self.root.header.d

    @property
    def binary(self) -> bool:
        return self.root.header.binary

    @property
    def width(self) -> int:
        """Bytes of one vector that comes out."""
        return self.root.header.stride

    @property
    def data_url(self) -> str:
        """The .ivfdata file, or "" when all is in the index file."""
        if isinstance(self.store, Ivf) and self.store.lists.url != self.url:
            return self.store.lists.url
        return ""

    @property
    def numbered(self) -> bool:
        """Ids are row numbers, so each is there once."""
        return self.id_map is None and not isinstance(self.store, Ivf)


def load_table(url: str, storage: Mapping[str, JsonValue], fingerprint: str) -> Table:
    """Parses an index file once a process. Raises SourceError."""
    return _load(url, json.dumps(storage, sort_keys=True), fingerprint)


@lru_cache(maxsize=4)
def _load(url: str, storage_text: str, fingerprint: str) -> Table:
    storage = json.loads(storage_text)
    with open_blob(url, storage) as blob:
        root = parse(blob, storage)
        store, id_map, chains = _walk(root, url)
        if isinstance(store, Coarse):
            raise SourceError(f"{url}: {CLASSES[store.header.fourcc]} holds no rows", code="MMC402")
        duplicates = None
        rows = root.header.ntotal
        if isinstance(store, Ivf):
            rows = store.lists.rows
            if store.duplicates is not None:
                data = blob if store.lists.url == url else open_blob(store.lists.url, storage)
                with data:
                    duplicates = load_duplicates(blob, data, store)
                rows += duplicates.rows
    lost = root.header.ntotal - rows
    if lost < 0:
        raise SourceError(
            f"{url}: the lists hold {rows:,} rows, the header counts {root.header.ntotal:,}",
            hint="the file is damaged",
            code="MMC401",
        )
    return Table(
        url=url,
        root=root,
        store=store,
        id_map=id_map,
        chains=chains,
        duplicates=duplicates,
        rows=rows,
        lost=lost,
        lossy=_lossy(store, chains),
    )


def _walk(
    root: Node, url: str
) -> tuple[Flat | Coded | Packed | Ivf | Coarse, Span | None, tuple[PreTransform, ...]]:
    id_map: Span | None = None
    chains: list[PreTransform] = []
    node = root
    while True:
        match node:
            case IdMap():
                if id_map is not None:
                    # Faiss wraps only empty indexes, and cannot fill two maps.
                    raise SourceError(f"{url}: an id map inside an id map", code="MMC402")
                id_map = node.ids
                node = node.inner
            case Graph():
                node = node.storage
                if isinstance(node, Ivf):
                    # The graph's rows are the storage's row numbers, which lists do not keep.
                    raise SourceError(
                        f"{url}: a graph over {CLASSES[node.header.fourcc]} is not supported",
                        code="MMC402",
                    )
            case Refine():
                node = node.refine
            case PreTransform():
                chains.insert(0, node)
                node = node.inner
            case Flat() | Coded() | Packed() | Ivf() | Coarse():
                return node, id_map, tuple(chains)
            case _:
                assert_never(node)


def _lossy(store: Flat | Coded | Packed | Ivf, chains: tuple[PreTransform, ...]) -> str:
    name = CLASSES[store.header.fourcc]
    quantizer = "" if isinstance(store, Flat) else store.quantizer
    text = f"{name} ({quantizer})" if quantizer else name
    for chain in chains:
        text = f"IndexPreTransform ({', '.join(chain.names) or 'none'}) over {text}"
    return text if quantizer or chains else ""
