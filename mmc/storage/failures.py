"""What went wrong at a file or an object store, read from the errors of many client libraries.

Below `filesystems` and `atomic`, which turn it into errors of ours. Imports no client library: an
error of one that is not loaded cannot be there.
"""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from mmc.secrets import REDACTOR


class Trouble(Enum):
    """What kind of failure it is; only BUSY may pass by itself."""

    MISSING = auto()
    NO_BUCKET = auto()
    DENIED = auto()
    FOLDER = auto()
    UNTRUSTED = auto()
    REFUSED = auto()
    BUSY = auto()


@dataclass(frozen=True, slots=True)
class Failure:
    """`text` is one line, without known secrets, and at most 300 characters."""

    trouble: Trouble
    text: str


_ERRORS = {
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "aiohttp": ("ClientError",),
    "gcsfs.retry": ("HttpError", "ChecksumError", "NonRetryableError"),
    "google.auth.exceptions": ("GoogleAuthError",),
    "requests.exceptions": ("RequestException",),
    "azure.core.exceptions": ("AzureError",),
    "oss2.exceptions": ("OssError",),
}
"""Base classes of what file systems let through, by module; OSError stands beside them."""

_FINAL = {
    "botocore.exceptions": (
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "TokenRetrievalError",
        "ProfileNotFound",
        "ParamValidationError",
        "NoRegionError",
    ),
    "google.auth.exceptions": ("DefaultCredentialsError", "RefreshError", "MalformedError"),
    "gcsfs.retry": ("NonRetryableError",),
    "azure.core.exceptions": ("ClientAuthenticationError",),
}
"""Failures without a status of HTTP that no second try mends: keys and options."""

_PASSING = (408, 409, 429)
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}
_SIGNED = re.compile(r"((?:access_token|sig|signature|X-Amz-[\w-]+)=)[^&\s'\")]+", re.IGNORECASE)
"""What in a URL lets in whoever has it."""


def world_errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What file systems raise when the world fails, as far as client libraries are loaded."""
    return (OSError, *more, *_loaded(_ERRORS))


def _loaded(table: dict[str, tuple[str, ...]]) -> Iterator[type[Exception]]:
    for module, names in table.items():
        if module in sys.modules:
            yield from (getattr(sys.modules[module], name) for name in names)


def failure(error: BaseException, *, local: bool = False) -> Failure:
    """Tells what an error means: by its class, by a status of HTTP, by a word in its causes."""
    return Failure(_trouble(error, local), _text(error))


def _trouble(error: BaseException, local: bool) -> Trouble:
    chain = list(_chain(error))
    codes = {_code(link) for link in chain}
    if codes & _NO_BUCKET:
        return Trouble.NO_BUCKET
    if "NoSuchUpload" in codes:  # another writer of this key, or a rule of the bucket, ended it
        return Trouble.BUSY
    if isinstance(error, FileNotFoundError):
        return Trouble.MISSING
    if isinstance(error, IsADirectoryError):
        return Trouble.FOLDER
    if isinstance(error, PermissionError):
        return Trouble.DENIED
    if local:
        return Trouble.REFUSED
    if any("CERTIFICATE_VERIFY_FAILED" in str(link) for link in chain):
        return Trouble.UNTRUSTED
    if isinstance(error, TimeoutError):
        return Trouble.BUSY
    status = next((found for link in chain if (found := _status(link))), 0)
    if status in (401, 403) or str(error).startswith("Forbidden: "):
        return Trouble.DENIED
    if status == 404:
        return Trouble.MISSING
    if 400 <= status < 500 and status not in _PASSING:
        return Trouble.REFUSED
    if isinstance(error, (*_loaded(_FINAL), ValueError)):
        return Trouble.REFUSED
    if isinstance(error, OSError) and error.errno in (errno.ENOSYS, errno.EINVAL) and not status:
        return Trouble.REFUSED
    return Trouble.BUSY


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    seen = 0
    while error is not None and seen < 10:
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1


def _status(error: BaseException) -> int:
    """The status of HTTP that an error of any of the libraries carries, or 0."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    for name in ("status_code", "status", "code"):
        value: Any = getattr(error, name, None)
        if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
            return int(value)
    return 0


def _code(error: BaseException) -> str:
    """The name that the server gave to the error, or an empty text."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code") or "")
    return str(getattr(error, "error_code", None) or "")


def _text(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    line = text.strip().partition("\n")[0][:300] or type(error).__name__
    return cleaned(line)


def cleaned(text: str) -> str:
    """The text without known secrets, and without what signs a URL."""
    return _SIGNED.sub(r"\1***", REDACTOR.clean(text))
