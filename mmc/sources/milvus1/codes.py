"""Diagnostic codes of the `milvus1` source: code -> title. See docs/codes/."""

from __future__ import annotations

CODES = {
    "MMC414": "metadata cannot be read",
    "MMC415": "not the layout of Milvus 0.7 to 1.1",
    "MMC416": "collection not in the metadata",
    "MMC417": "rows only in the write-ahead log",
    "MMC418": "damaged segment",
    "MMC419": "id in several rows",
    "MMC420": "segment changed since the plan",
    "MMC421": "damaged write-ahead log",
    "MMC422": "metadata contradict each other",
    "MMC423": "segment in no data folder, or in several",
    "MMC424": "not a meta.json",
    "MMC425": "index or metric without an equal",
    "MMC426": "attributes that are not read",
    "MMC427": "row counts differ from the metadata",
    "MMC428": "log not looked at",
}
