"""Index file -> tree of nodes, by reading headers and stepping over the rest.

No Faiss, and no vectors in memory. The layouts are those of faiss/impl/index_read.cpp. The parser
must end exactly at the end of the file.
"""

from __future__ import annotations

from collections.abc import Mapping

from mmc.errors import SourceError
from mmc.sources.faiss import quantizers
from mmc.sources.faiss.cursor import Cursor, Span
from mmc.sources.faiss.graphs import read_hnsw, read_nsg
from mmc.sources.faiss.kinds import CLASSES, METRICS, REFUSED
from mmc.sources.faiss.lists import read_lists
from mmc.sources.faiss.nodes import (
    Coarse,
    Coded,
    Flat,
    Graph,
    Header,
    IdMap,
    Ivf,
    Lists,
    Node,
    Packed,
    Part,
    PreTransform,
    Refine,
)
from mmc.storage.urls import Blob
from mmc.types import JsonValue

_DEPTH = 12
"""Most indexes inside each other."""
_EMPTY_MAP = bytes(9)
"""A direct map of no rows: u8 type, u64 count."""


def parse(blob: Blob, storage: Mapping[str, JsonValue]) -> Node:
    """Reads the layout of a whole file.

    Raises:
        SourceError: empty, truncated, garbage, of a kind that is not read, or longer than its
            index.
    """
    cursor = Cursor(blob)
    if blob.size < 8:
        raise cursor.fault("no Faiss index: the file is too short", code="MMC400")
    node = _Parser(cursor, storage).index(0)
    if isinstance(node, Coarse):
        raise refusal(cursor, node.header.fourcc, 0, "a quantizer alone holds no rows")
    if cursor.left:
        raise cursor.fault(f"{cursor.left:,} bytes follow the end of the index")
    return node


def refusal(cursor: Cursor, fourcc: str, at: int, why: str) -> SourceError:
    """The error for a kind of index that is not read."""
    name = CLASSES.get(fourcc) or REFUSED.get(fourcc, ("", ""))[0]
    old = "old Faiss" in why
    return SourceError(
        f"{cursor.blob.url}: {name} (`{fourcc}` at byte {at:,}) is not supported: {why}",
        hint="read it and write it again with a current Faiss"
        if old
        else "rebuild the vectors into an IndexFlat or an IndexIVFFlat and write that",
        code="MMC402",
    )


class _Parser:
    """One walk through one file."""

    def __init__(self, cursor: Cursor, storage: Mapping[str, JsonValue]) -> None:
        self.cursor = cursor
        self.storage = storage

    def index(self, depth: int) -> Node:
        cursor, at = self.cursor, self.cursor.position
        fourcc = cursor.fourcc("an index")
        if fourcc in REFUSED:
            raise refusal(cursor, fourcc, at, REFUSED[fourcc][1])
        if fourcc not in CLASSES:
            raise cursor.fault(f"no Faiss index: `{fourcc}` is no known kind", at=at, code="MMC400")
        if depth > _DEPTH:
            raise cursor.fault(f"more than {_DEPTH} indexes inside each other", at=at)
        header = self.header(fourcc, at)
        match fourcc:
            case "IxF2" | "IxFI" | "IxFl" | "IBxF":
                return self.flat(header)
            case "IxMp" | "IxM2" | "IBMp" | "IBM2":
                inner = self.inside(header, depth)
                ids = cursor.vector(8, "the id map", expect=header.ntotal)
                return IdMap(header, inner, ids)
            case "IHNf" | "IHNs" | "IHNp" | "IH00" | "IBHf":
                degree, ef = read_hnsw(cursor, header)
                return Graph(
                    header=header,
                    kind="HNSW",
                    degree=degree,
                    ef=ef,
                    storage=self.inside(header, depth),
                )
            case "INSf" | "INSs" | "INSp":
                degree, ef = read_nsg(cursor, header)
                return Graph(
                    header=header,
                    kind="NSG",
                    degree=degree,
                    ef=ef,
                    storage=self.inside(header, depth),
                )
            case "IxRF":
                base, refine = self.inside(header, depth), self.inside(header, depth)
                cursor.take(4, "k_factor")
                return Refine(header, base, refine)
            case "IxPT":
                names, chain, d = quantizers.transforms(cursor, header.d)
                return PreTransform(header, names, chain, self.inside(header, depth, d))
            case "Imiq":
                block = quantizers.product(cursor, header.d)
                if header.ntotal not in (0, 1 << (block.number * block.parts)):
                    raise cursor.fault(f"{block.name} with {header.ntotal:,} centroids", at=at)
                return Coarse(header)
            case "ImRQ":
                quantizers.residual(cursor, header.d)
                cursor.take(4, "beam_factor")
                return Coarse(header)
            case _ if fourcc[:2] == "Iw" or fourcc == "IBwF":
                return self.inverted(header, depth)
            case _:
                return self.coded(header)

    def header(self, fourcc: str, at: int) -> Header:
        """float: d, ntotal, two dummies, trained, metric [, argument]; binary: d, code_size,
        ntotal, ...
        """
        cursor, binary = self.cursor, fourcc[:2] == "IB"
        if binary:
            d, code_size, ntotal = cursor.unpack("iiq", "the header")
        else:
            d, ntotal, _, _ = cursor.unpack("iqqq", "the header")
            code_size = -1
        cursor.flag("is_trained")
        metric = cursor.int32("the metric")
        if metric not in METRICS:
            raise cursor.fault(f"metric {metric} is unknown", at=cursor.position - 4)
        if metric > 1 and not binary:
            cursor.take(4, "the metric's argument")
        if not 1 <= d <= 1 << 20 or ntotal < 0:
            raise cursor.fault(f"{ntotal:,} rows of {d:,} dimensions", at=at)
        if binary and (d % 8 or code_size != d // 8):
            raise cursor.fault(f"{d} bits in codes of {code_size} bytes", at=at)
        raw = cursor.read(Span(at, cursor.position - at))
        return Header(
            fourcc=fourcc, start=at, d=d, ntotal=ntotal, metric=metric, binary=binary, raw=raw
        )

    def inside(self, around: Header, depth: int, d: int | None = None) -> Node:
        """An index inside another one, of the same rows."""
        cursor, at = self.cursor, self.cursor.position
        node = self.index(depth + 1)
        header = node.header
        expect = (around.d if d is None else d, around.ntotal, around.binary)
        if isinstance(node, Coarse) or (header.d, header.ntotal, header.binary) != expect:
            raise cursor.fault(
                f"{CLASSES[header.fourcc]} of {header.ntotal:,} rows of {header.d} dimensions "
                f"inside {CLASSES[around.fourcc]} of {around.ntotal:,} rows of {expect[0]}",
                at=at,
            )
        return node

    def flat(self, header: Header) -> Flat:
        item = 1 if header.binary else 4
        count = header.ntotal * header.stride // item
        return Flat(header, self.cursor.vector(item, "the vectors", expect=count))

    def coded(self, header: Header) -> Coded | Packed:
        cursor, d, empty = self.cursor, header.d, header.counting(0)
        none = bytes(8)
        match header.fourcc:
            case "IxSQ":
                block = quantizers.scalar(cursor, d)
                data = self.codes(header, block)
                return Coded(header, block.name, data, (empty, block.span, none))
            case "IxPQ" | "IxPo" | "IxPq":
                block = quantizers.product(cursor, d)
                data = self.codes(header, block)
                tail = b"" if header.fourcc == "IxPQ" else cursor.take(9, "the search type")
                return Coded(header, block.name, data, (empty, block.span, none, tail))
            case "IxRq":
                block = quantizers.residual(cursor, d)
                size = cursor.take(8, "the size of a code")
                if int.from_bytes(size, "little") != block.code_size:
                    raise cursor.fault(f"{block.name} has {block.code_size} bytes a code")
                data = self.codes(header, block)
                return Coded(header, block.name, data, (empty, block.span, size, none))
            case "Ixrq" | "Ixrr":
                block = quantizers.rabit(cursor, d, multi=header.fourcc == "Ixrr")
                data = self.codes(header, block)
                start = cursor.position
                cursor.vector(4, "the centre", expect=d)
                cursor.take(1, "the bits of a query")
                rest = Span(start, cursor.position - start)
                return Coded(header, block.name, data, (empty, block.span, none, rest))
            case "IPfs":
                block = quantizers.product(cursor, d)
                head = cursor.take(12, "implem, bbs, qbs")
                return self.packed(header, block, (block.span, head), head[4:8])
            case _:
                block = quantizers.rabit(cursor, d, multi=True)
                start = cursor.position
                cursor.vector(4, "the centre", expect=d)
                head = cursor.take(5, "the bits of a query, and bbs")
                before: tuple[Part, ...] = (block.span, Span(start, cursor.position - start))
                return self.packed(header, block, before, head[1:])

    def codes(self, header: Header, block: quantizers.Block) -> Span:
        return self.cursor.vector(1, "the codes", expect=header.ntotal * block.code_size)

    def packed(
        self, header: Header, block: quantizers.Block, before: tuple[Part, ...], bbs: bytes
    ) -> Packed:
        """u64 rows with padding, u64 M2, for RaBitQ u64 code_size, the blocks."""
        cursor, at = self.cursor, self.cursor.position
        per_block = int.from_bytes(bbs, "little")
        padded, m2 = cursor.unpack("QQ", "the size of the blocks")
        after = m2.to_bytes(8, "little")
        rabitq = header.fourcc == "Irfn"
        if rabitq:
            after += self.same_size(block).to_bytes(8, "little")
        blocks = -(-header.ntotal // max(per_block, 1))
        if not 1 <= per_block <= 1 << 16 or per_block % 32 or padded != blocks * per_block:
            raise cursor.fault(f"blocks of {per_block} rows, {padded:,} in all", at=at)
        data = cursor.vector(1, "the codes")
        size = data.count // blocks if blocks else 0
        # RaBitQ has factors behind the codes of a block.
        least = per_block * m2 // 2
        fits = not blocks or (size > least if rabitq else size == least)
        if data.count != size * blocks or not fits:
            raise cursor.fault(f"{data.count:,} bytes in {blocks:,} blocks", at=at)
        return Packed(
            header=header,
            quantizer=block.name,
            data=data,
            per_block=per_block,
            block=size,
            before=before,
            after=(after,),
        )

    def inverted(self, header: Header, depth: int) -> Ivf:
        cursor, d = self.cursor, header.d
        sizes_at = cursor.position
        nlist, nprobe = cursor.unpack("QQ", "the number of lists")
        start = cursor.position
        coarse = self.index(depth + 1)
        span = Span(start, cursor.position - start)
        if coarse.header.d != d or coarse.header.binary != header.binary:
            raise cursor.fault(f"a coarse quantizer of {coarse.header.d} dimensions", at=start)
        untrained = not coarse.header.ntotal and not header.ntotal
        if coarse.header.ntotal != nlist and not untrained:
            raise cursor.fault(f"{coarse.header.ntotal:,} centroids for {nlist:,} lists", at=start)
        self.direct_map()
        head: tuple[Part, ...] = (
            header.counting(0),
            Span(sizes_at, 16),
            span,
            _EMPTY_MAP,
        )
        begin, name, code_size = cursor.position, "", header.stride
        duplicates: Span | None = None
        packed: tuple[tuple[Part, ...], tuple[Part, ...]] | None = None
        residual = False
        match header.fourcc:
            case "IwFl" | "IBwF":
                pass
            case "IwFd":
                flat = cursor.vector(8, "the table of duplicates")
                if flat.count % 2:
                    raise cursor.fault("the table of duplicates has half a pair", at=begin)
                duplicates = Span(flat.offset, flat.count // 2, 16)
            case "IwSq" | "IwSQ":
                block = quantizers.scalar(cursor, d)
                name, code_size = block.name, self.same_size(block)
                if header.fourcc == "IwSq":
                    cursor.flag("by_residual")
            case "IwPQ":
                cursor.flag("by_residual")
                stored = cursor.uint64("the size of a code")
                block = quantizers.product(cursor, d)
                name, code_size = block.name, self.same_size(block, stored)
            case "IwRQ":
                stored = cursor.uint64("the size of a code")
                block = quantizers.residual(cursor, d)
                name, code_size = block.name, self.same_size(block, stored)
                cursor.flag("by_residual")
                cursor.int32("use_precomputed_table")
            case "Iwrq" | "Iwrr":
                block = quantizers.rabit(cursor, d, multi=header.fourcc == "Iwrr")
                name, code_size = block.name, self.same_size(block)
                cursor.flag("by_residual")
                cursor.take(1, "the bits of a query")
            case _:
                residual = cursor.flag("by_residual")
                _, bbs, m2, _, _ = cursor.unpack("QiQiQ", "the FastScan sizes")
                block = quantizers.product(cursor, d)
                name, code_size = block.name, block.code_size
                shape = bytes(4) + bbs.to_bytes(4, "little", signed=True) + bytes(4)
                packed = ((block.span, shape), (m2.to_bytes(8, "little"),))
        middle = Span(begin, cursor.position - begin)
        lists = read_lists(cursor, nlist, code_size, self.storage)
        if lists.rows > header.ntotal and duplicates is None:
            raise cursor.fault(f"{lists.rows:,} rows in lists, {header.ntotal:,} in the header")
        if packed is not None:
            self.check_blocks(lists, bbs, m2, begin)
        none = b"ilar" + nlist.to_bytes(8, "little") + code_size.to_bytes(8, "little")
        codec = (*head, middle, none + b"sprs" + bytes(8)) if name and packed is None else ()
        return Ivf(
            header=header,
            nprobe=nprobe,
            coarse=coarse,
            coarse_span=span,
            lists=lists,
            quantizer=name,
            duplicates=duplicates,
            codec=codec,
            packed=packed,
            residual=residual,
        )

    def same_size(self, block: quantizers.Block, stored: int | None = None) -> int:
        cursor = self.cursor
        size = cursor.uint64("the size of a code") if stored is None else stored
        if size != block.code_size:
            raise cursor.fault(f"codes of {size} bytes; {block.name} makes {block.code_size}")
        return size

    def check_blocks(self, lists: Lists, bbs: int, m2: int, at: int) -> None:
        if lists.per_block != bbs or bbs % 32 or lists.block != bbs * m2 // 2:
            raise self.cursor.fault(
                f"FastScan blocks of {lists.per_block} rows, {lists.block} bytes; "
                f"bbs={bbs}, M2={m2}",
                at=at,
            )

    def direct_map(self) -> None:
        cursor = self.cursor
        kind = cursor.take(1, "the direct map")[0]
        cursor.vector(8, "the direct map")
        if kind == 2:
            cursor.vector(16, "the direct map")
        elif kind > 2:
            raise cursor.fault(f"direct map of type {kind} is unknown")
