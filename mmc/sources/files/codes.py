"""Diagnostic codes of the `files` source: code -> title. See docs/codes/."""

from __future__ import annotations

CODES = {
    "MMC240": "path or manifest",
    "MMC433": "unknown or mixed formats",
    "MMC434": "files disagree",
    "MMC435": "no such column in the files",
    "MMC436": "files changed since the plan",
    "MMC437": "malformed text file",
    "MMC438": "value does not fit its column",
    "MMC439": "wrong number of fields",
    "MMC440": "damaged file",
    "MMC441": "array type refused",
    "MMC442": "arrays of different lengths",
    "MMC446": "no such collection in the files",
    "MMC447": "column names",
    "MMC448": "first line looks like a row",
    "MMC449": "columns in the names of folders",
    "MMC480": "table with a log of its own",
    "MMC481": "one file under two names",
    "MMC482": "lists of different lengths",
    "MMC483": "distance that is not used",
}
