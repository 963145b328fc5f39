"""Diagnostic codes of a Milvus server, for source and target: code -> title. Paragraphs are in
docs/codes/.
"""

from __future__ import annotations

CODES = {
    "MMC241": "address of Milvus",
    "MMC500": "target cannot be reached",
    "MMC501": "embedded database in use",
    "MMC502": "not a Milvus address",
    "MMC503": "server version",
    "MMC504": "not an embedded database",
    "MMC505": "message too large",
    "MMC506": "target busy",
    "MMC507": "target refuses",
    "MMC509": "row too large",
    "MMC521": "column missing in an answer",
    "MMC526": "embedded call unfinished",
    "MMC570": "missing privileges",
    "MMC571": "TLS with the target fails",
    "MMC572": "TLS options of the target",
    "MMC573": "login refused",
    "MMC574": "certificate of the target is not checked",
    "MMC575": "Zilliz Cloud imports in another way",
    "MMC582": "part of the collection is not loaded",
}
