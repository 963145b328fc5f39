"""URL -> path of the machine, or an fsspec file system: the only place that makes file systems.

fsspec is imported for remote URLs only. Knows nothing of what the files hold.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from mmc.errors import PluginMissing, SourceBusy, SourceError
from mmc.secrets import resolve
from mmc.types import JsonValue

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

NO_STORAGE: Mapping[str, JsonValue] = MappingProxyType({})
"""No options of a file system."""

_EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
    "adl": "azure",
    "oss": "oss",
}


def is_local(url: str) -> bool:
    """Whether the URL is a path of this machine: no scheme, or `file:`."""
    return "://" not in url or url.startswith("file://")


def local_path(url: str) -> Path:
    """The path of a local URL; `~` is expanded."""
    if url.startswith("file://"):
        return Path(unquote(url.removeprefix("file://")))
    return Path(url).expanduser()


def join_url(base: str, relative: str) -> str:
    """`relative` (parts joined by `/`) below the folder `base`; an absolute one is itself."""
    if "://" in relative or relative.startswith("/"):
        return relative
    if is_local(base) and not base.startswith("file://"):
        return str(Path(base) / relative)
    return f"{base.rstrip('/')}/{relative}"


def filesystem(url: str, storage: Mapping[str, JsonValue]) -> tuple[AbstractFileSystem, str]:
    """The fsspec file system of a remote URL, and the path inside it.

    `storage` holds the file system's own options; `{"secret": "env:NAME"}` stands for the secret's
    text, at any depth. Listings are not cached, for another process may write.

    Raises:
        PluginMissing: the package for this kind of URL is not installed.
        SecretError: a reference does not resolve.
        SourceError: no such kind of URL, or options that the file system does not take.
    """
    import fsspec

    protocol = url.partition("://")[0].rpartition("::")[2]
    options: dict[str, Any] = {key: _revealed(value) for key, value in storage.items()}
    if "::" not in url:
        options.setdefault("use_listings_cache", False)
    try:
        made, path = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        extra = _EXTRAS.get(protocol)
        hint = f"pip install 'mmc[{extra}]'" if extra else str(error)
        raise PluginMissing(
            f"{protocol}:// needs a package that is not installed", hint=hint, code="MMC445"
        ) from None
    except (ValueError, TypeError) as error:
        raise SourceError(
            f"{url}: cannot open a file system: {error}",
            hint="check the URL and the `storage` options",
            code="MMC445",
        ) from None
    return made, path


def _revealed(value: JsonValue) -> Any:
    if isinstance(value, dict):
        if set(value) == {"secret"}:
            return resolve(value)
        return {key: _revealed(inner) for key, inner in value.items()}
    return value


def world_errors() -> tuple[type[Exception], ...]:
    """What file systems raise when the world fails, as far as client libraries are loaded."""
    kinds: list[type[Exception]] = [OSError]
    if "botocore" in sys.modules:
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]

        kinds.append(BotoCoreError)
    if "aiohttp" in sys.modules:
        from aiohttp import ClientError

        kinds.append(ClientError)
    return tuple(kinds)


def reading_failed(url: str, error: Exception) -> SourceError:
    """The error of ours for a failed read; one that may pass (network, throttling) is retryable."""
    if isinstance(error, FileNotFoundError):
        return SourceError(f"{url}: no such file", code="MMC430")
    if isinstance(error, PermissionError):
        return SourceError(f"{url}: permission denied", code="MMC431")
    if isinstance(error, IsADirectoryError):
        return SourceError(f"{url}: is a folder", code="MMC431")
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    kind = SourceError if is_local(url) else SourceBusy
    return kind(f"{url}: cannot be read: {text}", code="MMC431")
