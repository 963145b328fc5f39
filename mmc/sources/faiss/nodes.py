"""What an index file consists of, as a tree of frozen nodes: the output of the parser.

A node says where things are in the file; it holds no vectors. Names are those of Faiss's classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from mmc.sources.faiss.cursor import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Part: TypeAlias = bytes | Span
"""Bytes, or bytes of the index file: the pieces of which a small index of the same kind is put
together.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What every index begins with.

    Attributes:
        fourcc: kind, as in the file.
        start: byte where the fourcc stands.
        d: dimension (bits of a binary index).
        ntotal: rows that the index counts.
        metric: Faiss's MetricType.
        binary: one of the IB* kinds.
        raw: the bytes of fourcc and header.
    """

    fourcc: str
    start: int
    d: int
    ntotal: int
    metric: int
    binary: bool
    raw: bytes = field(repr=False)

    @property
    def stride(self) -> int:
        """Bytes of one exact vector."""
        return self.d // 8 if self.binary else self.d * 4

    def counting(self, ntotal: int) -> bytes:
        """The same header for an index of `ntotal` rows."""
        return self.raw[:8] + ntotal.to_bytes(8, "little") + self.raw[16:]


@dataclass(frozen=True, slots=True)
class Flat:
    """Vectors one after the other, exact."""

    header: Header
    data: Span


@dataclass(frozen=True, slots=True)
class Coded:
    """Codes one after the other. `codec` makes an empty index that decodes them."""

    header: Header
    quantizer: str
    data: Span
    codec: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """FastScan codes: blocks of `per_block` rows, `block` bytes each.

    `before` and `after` stand around the padded row count in a small index of the same kind.
    """

    header: Header
    quantizer: str
    data: Span
    per_block: int
    block: int
    before: tuple[Part, ...]
    after: tuple[Part, ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Lists:
    """Inverted lists: where codes and ids of each non-empty list are. Arrays are int64, by
    ascending number.

    Attributes:
        nlist: lists, the empty ones too.
        code_size: bytes of one row's code.
        url: file that holds them; the index file, or the .ivfdata file.
        numbers: list numbers.
        sizes: rows.
        codes: first byte of the codes.
        ids: first byte of the ids.
        per_block, block: rows and bytes of a block of FastScan codes; 0 when codes are plain.
    """

    nlist: int
    code_size: int
    url: str
    numbers: NDArray[np.int64]
    sizes: NDArray[np.int64]
    codes: NDArray[np.int64]
    ids: NDArray[np.int64]
    per_block: int = 0
    block: int = 0

    @property
    def rows(self) -> int:
        return int(self.sizes.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ivf:
    """Rows in inverted lists.

    Attributes:
        quantizer: "" when the codes are the vectors.
        duplicates: pairs of int64 (id in a list, id of an equal vector): FlatDedup.
        coarse: the coarse quantizer.
        codec: makes an empty index that decodes codes with a list number before them.
        packed: FastScan: (before, after) of a flat small index that unpacks the blocks of a list.
        residual: FastScan: codes are differences to the list's centroid.
    """

    header: Header
    nprobe: int
    coarse: Node
    coarse_span: Span
    lists: Lists
    quantizer: str = ""
    duplicates: Span | None = None
    codec: tuple[Part, ...] = ()
    packed: tuple[tuple[Part, ...], tuple[Part, ...]] | None = None
    residual: bool = False


@dataclass(frozen=True, slots=True)
class Coarse:
    """A quantizer without stored vectors (multi-index, residual), found under an Ivf only."""

    header: Header


@dataclass(frozen=True, slots=True)
class IdMap:
    """Ids for the rows of another index: `ids[row]`."""

    header: Header
    inner: Node
    ids: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A graph (`kind` HNSW or NSG) over stored vectors; `degree` links a node, `ef` candidates when
    built.
    """

    header: Header
    kind: str
    degree: int
    ef: int
    storage: Node


@dataclass(frozen=True, slots=True)
class Refine:
    """An index for searching, and a better one of the same rows for ranking."""

    header: Header
    base: Node
    refine: Node


@dataclass(frozen=True, slots=True)
class PreTransform:
    """Vectors are transformed before they get into `inner`. `chain` spans count and transforms."""

    header: Header
    names: tuple[str, ...]
    chain: Span
    inner: Node


Node: TypeAlias = Flat | Coded | Packed | Ivf | Coarse | IdMap | Graph | Refine | PreTransform
