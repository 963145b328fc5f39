"""Diagnostic codes of the `milvus` target: code -> title. See docs/codes/."""

from __future__ import annotations

CODES = {
    "MMC508": "value the target would change",
    "MMC520": "collection appeared",
    "MMC522": "collection not as planned",
    "MMC523": "key named like a filter word",
    "MMC524": "rows not acknowledged",
    "MMC525": "another index",
    "MMC542": "Milvus does not see the staged files",
    "MMC545": "not an answer of the import interface",
    "MMC550": "not known whether Milvus sees the staged files",
    "MMC552": "index given up",
    "MMC557": "Milvus could not read its storage",
    "MMC580": "an alias leads elsewhere",
    "MMC590": "alias leads to another collection",
    "MMC591": "collection has an alias",
}
