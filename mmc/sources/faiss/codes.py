"""Diagnostic codes of the `faiss` source: code -> title. See docs/codes/."""

from __future__ import annotations

CODES = {
    "MMC400": "not a Faiss index",
    "MMC401": "damaged Faiss index",
    "MMC402": "kind of Faiss index not supported",
    "MMC403": "lossy Faiss index",
    "MMC404": "file of inverted lists missing",
    "MMC405": "source changed since the plan",
    "MMC406": "side file unreadable",
    "MMC407": "key of the side file",
    "MMC408": "key occurs twice in the side file",
    "MMC409": "columns of the side file clash",
    "MMC410": "no such collection in the index",
    "MMC411": "too many dimensions",
    "MMC412": "Faiss cannot decode",
    "MMC413": "ambiguous duplicates",
}
