"""Codes -> vectors with faiss-cpu, batch by batch, where the file holds no vectors.

Faiss never sees the user's file: a small index of the same kind, with the file's quantiser and no
rows, is put together in memory and decodes codes that our own reader fetched. Why:
`reconstruct_n` on wrappers aborts the process, and on IVF with sparse ids it gives uninitialised
memory; decoding codes does neither (measured, faiss 1.15).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mmc.errors import PluginMissing, SourceError
from mmc.sources.faiss.kinds import CLASSES
from mmc.sources.faiss.nodes import (
    Coarse,
    Coded,
    Flat,
    Graph,
    Header,
    Ivf,
    Node,
    Packed,
    Part,
    PreTransform,
)
from mmc.sources.faiss.table import Table
from mmc.storage.urls import Blob

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EMPTY_FLAT = b"IxF2"


class Decoder:
    """Decodes the codes of one index. Float vectors only. Raises SourceError, PluginMissing."""

    def __init__(self, table: Table, blob: Blob) -> None:
        self._url = table.url
        self._blob = blob
        self._store = table.store
        self._codec: Any = None
        self._coarse: Any = None
        match table.store:
            case Coded():
                self._codec = self._load(table.store.codec)
                self._check(table.store.data.count, table.store.header.ntotal, 0)
            case Ivf() if table.store.packed is not None:
                _needs_centroids(table)
                if table.store.residual:
                    self._coarse = self._load((table.store.coarse_span,))
            case Ivf() if table.store.quantizer:
                _needs_centroids(table)
                self._codec = self._load(table.store.codec)
                self._prefix = int(self._codec.coarse_code_size())
                self._check(table.store.lists.code_size, 1, self._prefix)
            case _:
                pass
        self._chains = [self._chain(chain) for chain in table.chains]

    def codes(self, raw: bytes) -> NDArray[np.float32]:
        """Vectors of plain codes, one after the other."""
        import numpy as np

        codes = np.frombuffer(raw, np.uint8)
        return self._decode(self._codec, codes.reshape(-1, self._codec.sa_code_size()))

    def listed(self, raw: bytes, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors of codes from lists; `numbers` has the list of each row."""
        import numpy as np

        width = self._codec.sa_code_size()
        codes = np.empty((len(numbers), width), np.uint8)
        prefix = numbers.astype("<u8").view(np.uint8).reshape(-1, 8)
        codes[:, : self._prefix] = prefix[:, : self._prefix]
        codes[:, self._prefix :] = np.frombuffer(raw, np.uint8).reshape(len(numbers), -1)
        return self._decode(self._codec, codes)

    def blocks(self, raw: bytes, rows: int, number: int = 0) -> NDArray[np.float32]:
        """Vectors of the first `rows` rows of whole FastScan blocks, which are of list `number`."""
        import numpy as np

        store = self._store
        header = store.header
        if isinstance(store, Packed):
            before, after, per_block = store.before, store.after, store.per_block
        else:
            assert isinstance(store, Ivf) and store.packed is not None
            (before, after), per_block = store.packed, store.lists.per_block
        padded = -(-rows // per_block) * per_block
        fourcc = header.raw[:4] if isinstance(store, Packed) else b"IPfs"
        small = self._load(
            (
                fourcc + header.counting(rows)[4:],
                *before,
                padded.to_bytes(8, "little"),
                *after,
                len(raw).to_bytes(8, "little"),
                raw,
            )
        )
        if hasattr(small, "get_block_stride") and small.get_block_stride() * (
            padded // per_block
        ) != len(raw):
            raise self._fault("the FastScan blocks have an unexpected size")
        with self._guard(), np.errstate(all="ignore"):
            vectors: NDArray[np.float32] = small.reconstruct_n(0, rows)
            if self._coarse is not None:
                vectors += self._coarse.reconstruct(number)
        return vectors

    def reversed(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vectors as they were before the transforms."""
        import numpy as np

        for chain in self._chains:
            flat = np.ascontiguousarray(vectors, np.float32).view(np.uint8)
            vectors = self._decode(chain, flat.reshape(len(vectors), -1))
        return vectors

    def _chain(self, node: PreTransform) -> Any:
        """The transforms, over an index of no rows.

        Faiss (1.15) takes every matrix that it reads from a file for orthonormal, and then
        "reverses" a whitening PCA into vectors that are quite wrong: so we look ourselves.
        """
        import numpy as np

        faiss = _faiss()
        empty = _empty_flat(node.inner.header)
        loaded = self._load((node.header.counting(0), node.chain, empty))
        for i, name in enumerate(node.names):
            transform = faiss.downcast_VectorTransform(loaded.chain.at(i))
            if not isinstance(transform, faiss.LinearTransform):
                continue
            matrix = faiss.vector_to_array(transform.A).reshape(transform.d_out, transform.d_in)
            with np.errstate(all="ignore"):
                square = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
            if not np.allclose(square, np.eye(len(square)), atol=1e-3):
                raise SourceError(
                    f"{self._url}: {name} cannot be reversed: its matrix is not orthonormal",
                    hint="rebuild the vectors into an IndexFlat and write that",
                    code="MMC412",
                )
        return loaded

    def _decode(self, codec: Any, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._guard():
            vectors: NDArray[np.float32] = codec.sa_decode(codes)
        return vectors

    def _load(self, parts: tuple[Part, ...]) -> Any:
        import numpy as np

        faiss = _faiss()
        raw = b"".join(
            p if isinstance(p, bytes) else self._blob.read_at(p.offset, p.length) for p in parts
        )
        with self._guard():
            return faiss.deserialize_index(
                np.frombuffer(raw, np.uint8), faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE
            )

    def _check(self, size: int, rows: int, prefix: int) -> None:
        """A code that is shorter than Faiss thinks would be read beyond its end."""
        if rows and self._codec.sa_code_size() - prefix != size // rows:
            raise self._fault(
                f"codes of {size // rows} bytes, {self._codec.sa_code_size() - prefix} expected"
            )

    def _fault(self, message: str) -> SourceError:
        return SourceError(f"{self._url}: {message}", hint="the file is damaged", code="MMC401")

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Faiss's errors as ours, and one thread: a forked process must not meet OpenMP's pool."""
        faiss = _faiss()
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            yield
        except RuntimeError as error:
            text = str(error).rpartition("failed: ")[2] or str(error)
            raise SourceError(
                f"{self._url}: Faiss cannot decode it: {text.strip()}",
                hint="rebuild the vectors into an IndexFlat and write that",
                code="MMC412",
            ) from None
        finally:
            faiss.omp_set_num_threads(threads)


def _empty_flat(inner: Header) -> bytes:
    """An IndexFlatL2 of no rows."""
    header = inner.d.to_bytes(4, "little") + bytes(24) + b"\x01" + (1).to_bytes(4, "little")
    return _EMPTY_FLAT + header + bytes(8)


def _needs_centroids(table: Table) -> None:
    """Faiss decodes inside OpenMP, where an error aborts the process: only coarse quantizers that
    cannot fail.
    """
    assert isinstance(table.store, Ivf)
    node: Node = table.store.coarse
    if isinstance(node, Graph):
        node = node.storage
    multi = isinstance(node, Coarse) and node.header.fourcc == "Imiq"
    if not isinstance(node, Flat) and not multi:
        raise SourceError(
            f"{table.url}: {table.lossy} over a coarse quantizer "
            f"{CLASSES[node.header.fourcc]} cannot be decoded safely",
            hint="rebuild it with a Flat or HNSW coarse quantizer",
            code="MMC402",
        )


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise PluginMissing(
            "decoding a lossy Faiss index needs faiss-cpu", hint="pip install 'mmc[faiss]'"
        ) from None
    return faiss
