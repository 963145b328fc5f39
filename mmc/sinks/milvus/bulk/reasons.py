"""Why a server gave an import up, by its words: it says nothing else. Knows no interface, no plan.

Each object store has words of its own, and Milvus puts its own around them. What is not known here
is a fault of the files, which is told with the server's words and not tried again.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Reason(StrEnum):
    """UNSEEN: a file is not there for the server, or it may not read it. PASSING: its storage did
    not answer as it should, or it was restarted: nothing came of it, and asking again may help.
    FILES: what is in the files, or anything else.
    """

    UNSEEN = "unseen"
    PASSING = "passing"
    FILES = "files"


_UNSEEN = (
    *("no such file", "permission denied", "access denied", "accessdenied", "forbidden"),
    *("key does not exist", "nosuchkey", "bucket does not exist", "nosuchbucket"),
    *("object doesn't exist", "object does not exist", "bucket doesn't exist"),
    *("blob does not exist", "blobnotfound", "container does not exist", "containernotfound"),
    *("invalidaccesskeyid", "access key id you provided", "signaturedoesnotmatch"),
    *("authorizationfailure", "authenticationfailed", "404 not found"),
)
_PASSING = (
    *("unexpected eof", "connection reset", "connection refused", "broken pipe", "i/o timeout"),
    *("connection timed out", "no such host", "server closed idle connection", "timeout awaiting"),
    *("handshake timeout", "use of closed network connection", "deadline exceeded"),
    *("internal server error", "internalerror", "internal error", "bad gateway", "gateway timeout"),
    *("service unavailable", "serviceunavailable", "slow down", "slowdown", "request rate"),
    *("too many requests", "requesttimeout", "server is busy", "please try again"),
    # A column of Parquet that 2.3.5 read to its end, when the answer was cut.
    "row count mismatch",
)
_STATUS = re.compile(r"(?:error|status(?: ?code)?|http)[: ]+([45])(\d\d)\b")
"""`failed to get file size of 'x', error:500 Internal`"""


def reason_of(words: str) -> Reason:
    """What the words of a failed import mean."""
    lower = words.lower()
    if any(part in lower for part in _UNSEEN):
        return Reason.UNSEEN
    if match := _STATUS.search(lower):
        status = int(match[1] + match[2])
        if status in (401, 403, 404):
            return Reason.UNSEEN
        if status >= 500 or status in (408, 429):
            return Reason.PASSING
    if any(part in lower for part in _PASSING) or lower.endswith((": eof", " eof")):
        return Reason.PASSING
    return Reason.FILES
