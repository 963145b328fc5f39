"""What tells that a file is another one by now: of a local file its size and time, of a remote one
what its server tells, or else bytes of it. Knows no file format.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from mmc.facts import SAMPLED
from mmc.storage.blobs import Blob, open_remote
from mmc.storage.filesystems import NO_STORAGE, is_local, local_path, reading_failed
from mmc.types import JsonValue

_VERSIONS = ("ETag", "etag", "version_id", "generation", "md5", "content_md5", "Content-MD5")
_TIMES = ("LastModified", "Last-Modified", "last_modified", "mtime", "modify", "updated", "created")
_WHOLE = 4 << 20
"""A file up to this size is hashed whole where its server tells no version and no time."""
_PIECES = 16
_PIECE = _WHOLE // _PIECES


def fingerprint(url: str, storage: Mapping[str, JsonValue] = NO_STORAGE) -> str:
    """A text that changes when the content may have.

    Local: `size:mtime_ns`; remote: size and etag, version or time, whichever the server tells.
    Where it tells none of them, the size and a hash of bytes spread over the file.

    Raises:
        SourceError: there is no such file.
    """
    if is_local(url):
        try:
            seen = local_path(url).stat()
        except OSError as error:
            raise reading_failed(url, error) from None
        return f"{seen.st_size}:{seen.st_mtime_ns}"
    return remote_fingerprint(*open_remote(url, storage))


def remote_fingerprint(blob: Blob, info: Mapping[str, Any]) -> str:
    """The same of a remote file, by what its server tells of it. Raises SourceError."""
    version = next((info[key] for key in _VERSIONS + _TIMES if info.get(key)), "")
    if version:
        return f"{info.get('size')}:{str(version).strip(chr(34)).replace(' ', '_')}"
    digest = hashlib.blake2b(digest_size=16)
    for start, length in _pieces(blob.size):
        digest.update(blob.read_at(start, length))
    return f"{blob.size}:{SAMPLED}{digest.hexdigest()}"


def _pieces(size: int) -> Iterator[tuple[int, int]]:
    """(start, length) of what is hashed: all of a small file; of a large one pieces from its first
    byte to its last.
    """
    if size <= _WHOLE:
        yield 0, size
        return
    for number in range(_PIECES):
        yield (size - _PIECE) * number // (_PIECES - 1), _PIECE
