"""Diagnostic codes of the `elasticsearch` source: code -> title. See docs/codes/."""

from __future__ import annotations

CODES = {
    "MMC450": "cluster cannot be reached",
    "MMC451": "cluster does not allow it",
    "MMC452": "no such index",
    "MMC453": "query refused",
    "MMC454": "TLS fails",
    "MMC455": "no `_source`",
    "MMC456": "synthetic `_source`",
    "MMC457": "fields outside the mapping",
    "MMC458": "indices of one collection disagree",
    "MMC459": "incomplete answer",
    "MMC460": "index changed since the plan",
    "MMC461": "cluster refuses",
    "MMC462": "closed index",
    "MMC463": "token table cannot be used",
    "MMC464": "index is being written to",
    "MMC465": "certificate is not checked",
    "MMC466": "no tokens to number",
    "MMC467": "name that no mapping has",
    "MMC469": "documents hidden from this user",
    "MMC470": "fields hidden from this user",
}
