"""Where the metadata is -> Catalogue: a SQLite file, a MySQL database or a meta.json, told by the
text of the location alone; and its export as a meta.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from mmc.diagnostics import Diagnostic
from mmc.errors import SourceError
from mmc.secrets import Reference, SecretRef
from mmc.sources.milvus1.catalogue import Catalogue
from mmc.sources.milvus1.live import live_collections
from mmc.sources.milvus1.meta.json_ import read_meta_json, write_meta_json
from mmc.sources.milvus1.meta.mysql import SCHEMES, open_mysql, shown
from mmc.sources.milvus1.meta.sqlite import open_sqlite
from mmc.sources.milvus1.meta.tables import read_catalogue
from mmc.sources.milvus1.options import Milvus1Options
from mmc.spec.patterns import URL_CREDENTIALS
from mmc.storage.urls import is_local, local_path, read_text
from mmc.types import JsonValue

_FORMS = (
    "a path or URL that ends in .sqlite, .db or .json,"
    " sqlite:////path/meta.sqlite, or mysql+pymysql://user@host:3306/database"
)
_DATABASES = (".sqlite", ".sqlite3", ".db")


@dataclass(frozen=True, slots=True)
class Export:
    """A meta.json and what it holds.

    Attributes:
        text: of the file.
        held: (collection, partitions beside the collection itself, segments, rows by the metadata)
            of each live collection, by name.
        problems: what is odd or wrong about the metadata.
    """

    text: str
    held: tuple[tuple[str, int, int, int], ...]
    problems: tuple[Diagnostic, ...]


def load_catalogue(
    where: str, password: SecretRef | Reference | None, storage: Mapping[str, JsonValue]
) -> Catalogue:
    """Reads the metadata from wherever they are, without writing there.

    Args:
        where: path, fsspec URL or database URL; without a password.
        password: of the database user.
        storage: options of the file system of a remote file.

    Raises:
        SourceError: MMC414 and MMC222, nothing can be read there; MMC415, it is of another Milvus;
            MMC424, a meta.json that is none. SourceBusy where trying again may help.
        PluginMissing: a driver or file system is not installed.
        SecretError: a reference does not resolve.
    """
    if URL_CREDENTIALS.search(where):
        raise SourceError(
            "the location of the metadata has credentials in it",
            hint="give the password as meta_password (or --password env:NAME), keys as storage",
            code="MMC222",
        )
    if where.startswith(SCHEMES):
        name = shown(where)
        with open_mysql(where, password) as server:
            return read_catalogue(server, name)
    url = _sqlite_path(where) if where.startswith("sqlite:") else where
    ending = _ending(url)
    if ending == ".json" and url == where:
        return read_meta_json(read_text(url, storage), url)
    if ending in _DATABASES or url != where:
        with open_sqlite(url, storage) as file:
            found = read_catalogue(file, url)
            return Catalogue(
                where=url,
                tables=found.tables,
                files=found.files,
                global_lsn=found.global_lsn,
                hybrid=found.hybrid,
                problems=file.problems,
            )
    if is_local(url) and local_path(url).is_dir():
        raise SourceError(
            f"{url}: is a folder", hint=f"give the file, such as {url}/meta.sqlite", code="MMC414"
        )
    raise SourceError(
        f"{url}: does not tell what kind of metadata it is", hint=f"give {_FORMS}", code="MMC414"
    )


def export_meta(options: Milvus1Options, password: SecretRef | None) -> Export:
    """The metadata of a source as a meta.json. Raises what `load_catalogue` raises."""
    said = password or options.meta_password
    catalogue = load_catalogue(options.meta_place, said, options.meta_files)
    live = live_collections(catalogue)
    held = [
        (
            found.name,
            len(found.partitions) - 1,
            sum(len(partition.segments) for partition in found.partitions),
            sum(s.row_count or 0 for partition in found.partitions for s in partition.segments),
        )
        for found in live
    ]
    problems = (problem for found in live for problem in found.problems)
    return Export(write_meta_json(catalogue, live), tuple(held), (*catalogue.problems, *problems))


def _sqlite_path(where: str) -> str:
    """`sqlite:////abs/path` and `sqlite:///rel/path`, as SQLAlchemy writes them."""
    prefix = "sqlite:///"
    path = where.removeprefix(prefix).partition("?")[0]
    if not where.startswith(prefix) or not path:
        raise SourceError(
            f"{where}: names no file",
            hint="`meta_uri: sqlite://:@:/` of the server means <storage.path>/db/meta.sqlite:"
            " sqlite:////var/lib/milvus/db/meta.sqlite by default",
            code="MMC414",
        )
    return path


def _ending(url: str) -> str:
    """`.json` of a path or URL, in lower case; "" when the name has none."""
    name = (url if is_local(url) else urlsplit(url).path).rpartition("/")[2]
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""
