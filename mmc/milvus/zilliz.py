"""Zilliz Cloud: which addresses are its, and what it does in another way than a Milvus server.

From docs.zilliz.com, "Connection Endpoints" and "Import Data (RESTful API)".
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from mmc.diagnostics import Diagnostic

_HOST = re.compile(r"(?:.+\.)?(?:zillizcloud\.com|zilliz\.com(?:\.cn)?)")
_NO_CLUSTER = re.compile(r"api\.cloud\..+|.+\.api\.zillizcloud\.com")
"""The control plane, and the endpoint of a project: neither takes rows."""


def is_zilliz(uri: str) -> bool:
    """Whether an address is one of Zilliz Cloud."""
    return _HOST.fullmatch(_host(uri)) is not None


def is_cluster(uri: str) -> bool:
    """Whether an address of Zilliz Cloud may be that of a cluster."""
    return _NO_CLUSTER.fullmatch(_host(uri)) is None


def no_import(uri: str) -> Diagnostic | None:
    """Why files cannot be imported at this address; None where they may."""
    if not is_zilliz(uri):
        return None
    return Diagnostic(
        "MMC575",
        "Zilliz Cloud imports files by an API of its own (api.cloud.zilliz.com, with the cluster's"
        " id, and object URLs with keys or a volume), which mmc does not speak",
        hint="leave load.route and load.staging out: rows are inserted; see docs/targets/zilliz.md",
    )


def _host(uri: str) -> str:
    return (urlsplit(uri).hostname or "").lower() if "://" in uri else ""
