"""URL -> path of the machine, or an fsspec file system: the only place that makes file systems.

fsspec is imported for remote URLs only. Knows nothing of what the files hold.
"""

from __future__ import annotations

import difflib
import inspect
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, assert_never, cast
from urllib.parse import unquote

from mmc.errors import FileMissing, PluginMissing, SourceBusy, SourceError
from mmc.secrets import BREAKS, resolve, resolve_line
from mmc.storage.failures import Trouble, failure, world_errors
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
_HOSTS = ("http", "https", "ftp", "sftp", "ssh", "smb")
_CACHING = ("use_listings_cache", "listings_expiry_time", "max_paths", "skip_instance_cache")
_NOT_OPTIONS = {"self", "args", "kwargs", "asynchronous", "loop", "session", "credential"}
_MORE_OPTIONS = {
    "s3": frozenset({"profile"}),
    "gcs": frozenset({"anon"}),
    "azure": frozenset({"managed_identity_client_id", "workload_identity_client_id"}),
}
"""What the constructors hand on (to the session, to Azure's default credential), and what is ours:
`anon` for Google, as the other stores have it, since a token that is written out is refused.
"""


def is_local(url: str) -> bool:
    """Whether the URL is a path of this machine: no scheme, or `file:`."""
    return "://" not in url or url.startswith("file://")


def above(url: str) -> str:
    """The folder that a folder is in; a bucket is in none, and stays."""
    if is_local(url):
        return os.path.normpath(Path(url) / "..")
    head, _, name = url.rstrip("/").rpartition("/")
    return url.rstrip("/") if not name or head.endswith(":/") else head


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
    options: dict[str, Any] = {
        key: _revealed(value, f"storage.{key}") for key, value in storage.items()
    }
    protocol = url.partition("://")[0].rpartition("::")[2]
    try:
        if "::" in url:
            return _chained(url, options)
        kind = _kind(protocol)
        refuse_no_bucket(url)
        if protocol in _EXTRAS:
            _check_names(url, kind, protocol, options)
        options.setdefault("use_listings_cache", False)
        if _EXTRAS.get(protocol) == "gcs":
            options |= _google_token(options.pop("anon", False), options.get("token"))
        made = kind(**{**kind._get_kwargs_from_urls(url), **options})
        if protocol in ("s3", "s3a"):
            made.connect()
        return made, kind._strip_protocol(url)
    except ImportError as error:
        extra = _EXTRAS.get(protocol)
        hint = f"pip install 'mmc[{extra}]'" if extra else str(error)
        raise PluginMissing(
            f"{protocol}:// needs a package that is not installed", hint=hint, code="MMC445"
        ) from None
    except world_errors(ValueError, TypeError, KeyError) as error:
        raise SourceError(
            f"{url}: cannot open a file system: {failure(error).text}",
            hint="check the URL and `storage`: docs/storage.md has the options of every store",
            code="MMC445",
        ) from None


def _kind(protocol: str) -> type[AbstractFileSystem]:
    """The class for a kind of URL.

    Google's is the plain one of gcsfs: the default asks, by gRPC and for up to a minute each time,
    for the type of the bucket, which an emulator or a private endpoint never answers.
    """
    if protocol in ("gs", "gcs"):
        from gcsfs.core import GCSFileSystem

        return cast("type[AbstractFileSystem]", GCSFileSystem)
    import fsspec

    return cast("type[AbstractFileSystem]", fsspec.get_filesystem_class(protocol))


def refuse_no_bucket(url: str) -> None:
    """Refuses `s3://`, as an empty variable in the URL leaves it: it would be every bucket. Raises
    SourceError.
    """
    protocol = url.partition("://")[0]
    if (protocol in _EXTRAS or protocol in _HOSTS) and not bucket_of(url):
        what = "bucket" if protocol in _EXTRAS else "host"
        raise SourceError(
            f"{url}: names no {what}", hint=f"write it as {protocol}://{what}/path", code="MMC431"
        )


def _check_names(
    url: str, kind: type[AbstractFileSystem], protocol: str, options: Mapping[str, Any]
) -> None:
    """Refuses an option that the class would swallow in silence. Raises SourceError."""
    takes = _options_of(kind) | _MORE_OPTIONS.get(_EXTRAS[protocol], frozenset())
    unknown = [name for name in options if name not in takes]
    if unknown:
        near = difflib.get_close_matches(unknown[0], takes, 1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise SourceError(
            f"{url}: `storage` has no option {unknown[0]!r} for {protocol}://",
            hint=f"{meant}the options are {', '.join(sorted(takes))}",
            code="MMC445",
        )
    token = str(options.get("token", ""))
    if _EXTRAS[protocol] == "gcs" and _is_path(token) and not Path(token).exists():
        raise SourceError(
            f"{url}: the key file {token} is not there",
            hint="give the path of a service account's JSON file as `storage.token`",
            code="MMC445",
        )


def _options_of(kind: type[AbstractFileSystem]) -> frozenset[str]:
    """What the constructors of the class, and of its bases in the same package, name."""
    package = kind.__module__.partition(".")[0]
    made = [
        vars(base).get("__init__") for base in kind.__mro__ if base.__module__.startswith(package)
    ]
    names = {name for init in made if init for name in inspect.signature(init).parameters}
    return frozenset(names | set(_CACHING)) - _NOT_OPTIONS


def _google_token(anon: Any, token: Any) -> dict[str, Any]:
    """The token for gcsfs: a key file may come as its text, out of a secret."""
    if anon:
        return {"token": "anon"}
    if isinstance(token, str) and token.lstrip().startswith("{"):
        return {"token": json.loads(token)}
    return {}


def _is_path(token: str) -> bool:
    """Whether a token is a path: gcsfs sends any other text to Google as an access token."""
    return token.endswith(".json") or token.startswith(("/", "~", "."))


def _chained(url: str, options: dict[str, Any]) -> tuple[AbstractFileSystem, str]:
    """The file system of a chained URL, such as `zip://a.npy::s3://bucket/all.zip`."""
    import fsspec

    made: tuple[AbstractFileSystem, str] = fsspec.core.url_to_fs(url, **options)
    return made


def _revealed(value: JsonValue, place: str) -> Any:
    if isinstance(value, dict):
        if set(value) == {"secret"}:
            text = resolve(value) or ""
            # The text of a key file has lines of its own.
            return text if text.lstrip().startswith(("{", "-----BEGIN ")) else resolve_line(value)
        return {key: _revealed(inner, f"{place}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [_revealed(inner, place) for inner in value]
    if isinstance(value, str) and BREAKS.intersection(value):
        raise SourceError(
            f"{place} has a line break or a NUL inside, and cannot be sent so",
            hint="write it in one line",
            code="MMC445",
        )
    return value


def file_info(system: AbstractFileSystem, path: str, url: str) -> dict[str, Any]:
    """What a remote system tells of a file: `size` in bytes, `etag`... Raises SourceError."""
    try:
        info: dict[str, Any] = system.info(path)
    except world_errors() as error:
        raise reading_failed(url, error) from None
    if info.get("type") == "directory":
        raise reading_failed(url, IsADirectoryError(path))
    return info


def reading_failed(url: str, error: Exception) -> SourceError:
    """The error of ours for a failed read; one that may pass (network, throttling) is retryable."""
    failed = failure(error, local=is_local(url))
    match failed.trouble:
        case Trouble.MISSING:
            hint = "" if is_local(url) else missing_hint(url)
            return FileMissing(f"{url}: no such file", hint=hint, code="MMC430")
        case Trouble.NO_BUCKET:
            return FileMissing(f"{url}: no bucket {bucket_of(url)!r}", code="MMC430")
        case Trouble.FOLDER:
            return SourceError(f"{url}: is a folder", code="MMC431")
        case Trouble.DENIED:
            hint = "" if is_local(url) else DENIED_HINT
            return SourceError(f"{url}: permission denied", hint=hint, code="MMC431")
        case Trouble.UNTRUSTED:
            return SourceError(f"{url}: {UNTRUSTED}", hint=UNTRUSTED_HINT, code="MMC431")
        case Trouble.REFUSED:
            return SourceError(f"{url}: cannot be read: {failed.text}", code="MMC431")
        case Trouble.BUSY:
            return SourceBusy(f"{url}: cannot be read: {failed.text}", code="MMC431")
        case _:
            assert_never(failed.trouble)


def bucket_of(url: str) -> str:
    """The bucket or container that a URL names."""
    return url.partition("://")[2].partition("/")[0]


def missing_hint(url: str) -> str:
    """Not every store tells a missing bucket from a missing key."""
    if "//" in url.partition("://")[2]:
        return f"check the key: {url} has an empty part (`//`), which is part of an object's name"
    return f"check the key, and that there is a bucket {bucket_of(url)!r}"


UNTRUSTED = "the server's certificate is not trusted"
UNTRUSTED_HINT = "name the file of its authority: docs/storage.md, 'TLS with your own authority'"
DENIED_HINT = (
    "check the keys in `storage`, and what they may do in this bucket; "
    "S3 answers so for a missing key too, when the keys may not list"
)
