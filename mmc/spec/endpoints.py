"""Configuration of the built-in sources and targets. Light on purpose: `validate` imports this and
no client.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from mmc.spec.models import Model, Secret

Storage = dict[str, Secret | JsonValue]
"""Options of the file system, by fsspec's names, such as `{key: {secret: env:KEY}, endpoint_url:
"http://..."}`.
"""


class Join(Model):
    """A side file that adds columns to rows by their id."""

    path: Annotated[str, Field(min_length=1)]
    """Parquet, CSV or JSON lines file; its columns become source columns."""
    key: Annotated[str, Field(min_length=1)]
    """Column of the side file that holds the id."""


class CsvOptions(Model):
    """How a CSV file is written."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    header: bool = True
    """The first line names the columns; otherwise they are f0, f1, ..."""
    null_values: list[str] = Field(default_factory=lambda: [""])
    """Unquoted texts that mean null."""


class FilesSource(Model):
    """Vector files: Parquet, NumPy, JSON lines, CSV, fvecs, bvecs, HDF5."""

    type: Literal["files"]
    path: str | list[str] | None = None
    """A file, a folder, a glob, or a list of them; local or any fsspec URL. This or `manifest`."""
    manifest: str | None = None
    """`manifest.json` that a `files` target wrote; brings collections, types, indexes and
    checksums. This or `path`.
    """
    format: Literal["auto", "parquet", "numpy", "json", "csv", "fvecs", "bvecs", "hdf5"] = "auto"
    """`auto` goes by the file name."""
    csv: CsvOptions = CsvOptions()
    storage: Storage = Field(default_factory=dict)


class FaissSource(Model):
    """A Faiss index file."""

    type: Literal["faiss"]
    path: Annotated[str, Field(min_length=1)]
    """The index file; local or any fsspec URL."""
    join: Join | None = None
    """Payload for the ids."""
    allow_lossy: bool = False
    """Migrate from an index that stores approximations (SQ, PQ, ...) by decoding them."""
    storage: Storage = Field(default_factory=dict)


class Milvus1Source(Model):
    """The data folder of a Milvus 0.7 to 1.1 server, read offline."""

    type: Literal["milvus1"]
    data: Annotated[str | list[str], Field(min_length=1)]
    """`<storage.path>/db/tables`, or several such folders; local or any fsspec URL."""
    meta: str = ""
    """Where the metadata is: `sqlite:////path/meta.sqlite`, `mysql+pymysql://user@host:3306/milvus`,
    or the URL of a meta.json. Default: `meta.sqlite` beside the data folder.
    """
    meta_password: Secret | None = None
    """Password of the metadata server."""
    wal: Literal["stop", "ignore", "replay"] = "stop"
    """Rows that are only in the write-ahead log: stop the plan, leave them out, or bring them."""
    wal_path: str = ""
    """The `wal.path` of the server. Default: `wal` two levels above the data folder."""
    duplicates: Literal["fail", "keep_last", "keep_all"] = "fail"
    """An id that stands in several live rows: stop the plan, keep the newest row, or keep all."""
    partition_field: str = ""
    """Put the partition tag into a field of this name, instead of making Milvus partitions."""
    storage: Storage = Field(default_factory=dict)
    """Options of the file system of `data` and `wal_path`."""
    meta_storage: Storage = Field(default_factory=dict)
    """Options of the file system of `meta`, where it is not that of `data`."""


class ElasticsearchTls(Model):
    """How the server's certificate is checked, and what is shown to it."""

    ca: str = ""
    """File with the certificates of the authority that signed it. Default: the system's."""
    fingerprint: str = ""
    """SHA-256 of the server's certificate in hex, instead of an authority."""
    certificate: str = ""
    """File with the client's certificate."""
    key: str = ""
    """File with the client's key."""
    verify: bool = True
    """false accepts any certificate; the plan warns."""


class ElasticsearchAuth(Model):
    """One of: user and password, an API key, a token."""

    username: str = ""
    password: Secret | None = None
    api_key: Secret | None = None
    """The encoded form, or `id:key`."""
    token: Secret | None = None
    """Service or bearer token."""


class ElasticsearchRead(Model):
    """How a cluster is read, and how it is spared."""

    method: Literal["auto", "seq_no", "pit", "scroll"] = "auto"
    """`seq_no` reads ranges of sequence numbers, `pit` and `scroll` slices of an open search."""
    page_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 26)] = 8 << 20
    """Wanted size of one answer."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """Most requests at once."""
    requests_per_second: Annotated[float | None, Field(gt=0)] = None
    """Most requests a second."""


class ElasticsearchSource(Model):
    """Indices of Elasticsearch 7.17 to 9, or OpenSearch 2 and 3."""

    type: Literal["elasticsearch", "opensearch"]
    url: str | list[str] = ""
    """`https://host:9200`, or several nodes of one cluster. This or `cloud_id`."""
    cloud_id: str = ""
    """Of Elastic Cloud."""
    auth: ElasticsearchAuth = ElasticsearchAuth()
    tls: ElasticsearchTls = ElasticsearchTls()
    index: str | list[str] = Field(default_factory=list)
    """Indices, patterns, aliases or data streams; each becomes a collection. Default: those that
    `collections` names, or all that are not hidden.
    """
    query: dict[str, JsonValue] = Field(default_factory=dict)
    """Only documents that match, in the server's query language, such as `{term: {lang: en}}`."""
    after: str | list[str] = Field(default_factory=list)
    """Saved plans that were applied: only what was written or changed since is read, by sequence
    number. For `load.mode: upsert`.
    """
    read: ElasticsearchRead = ElasticsearchRead()
    flatten: list[str] = Field(default_factory=list)
    """Object fields whose members become columns of their own, named `object.member`."""
    arrays: list[str] = Field(default_factory=list)
    """Fields that hold lists, beside those that the sample shows."""
    tokens: str = ""
    """JSON file that numbers the tokens of sparse vectors, `{"berlin": 0, "river": 1}`: what
    `mmc tokens` makes.
    """
    timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds for one request."""


class MilvusTls(Model):
    """How the certificate of a Milvus server is checked, and what is shown to it. For an address
    that begins with https://.
    """

    ca: str = ""
    """File with the certificates of the authority that signed the server's, PEM. Default: the
    system's authorities.
    """
    certificate: str = ""
    """File with the client's certificate, PEM: for a server that asks for one (mutual TLS)."""
    key: Secret | str = ""
    """File with the client's key, PEM without a password, or a reference to a secret that is the
    key itself. Default: the file of `certificate` has it too.
    """
    server_name: str = ""
    """Name that the server's certificate must have. Default: the host of `uri`."""
    verify: bool = True
    """false trusts whatever certificate the server shows when mmc connects; the plan warns."""


class MilvusTarget(Model):
    """Milvus 2.x; a local path such as ./demo.db is embedded Milvus Lite."""

    type: Literal["milvus"]
    uri: Annotated[str, Field(min_length=1)]
    """`http://host:19530`, `https://host:19530`, or a path that ends in .db."""
    token: Secret | None = None
    """`user:password` or an API key."""
    tls: Annotated[MilvusTls | None, Field(exclude_if=lambda said: said is None)] = None
    """For https. Default: the server's certificate is checked against the system's authorities."""
    database: str = ""
    """Database; made when it is not there. Default: what the path of `uri` names, or `default`."""
    timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds for one call."""
    json_bytes: Annotated[int | None, Field(ge=1, le=1 << 31)] = None
    """Most bytes of one JSON document, where the server's `common.JSONMaxLength` is not 65,536."""


class FilesTarget(Model):
    """Files in Milvus's import layout, with a manifest.json."""

    type: Literal["files"]
    url: Annotated[str, Field(min_length=1)]
    """Folder; local or any fsspec URL."""
    format: Literal["parquet", "numpy", "json"] = "parquet"
    storage: Storage = Field(default_factory=dict)


SOURCES: dict[str, type[Model]] = {
    "files": FilesSource,
    "faiss": FaissSource,
    "milvus1": Milvus1Source,
    "elasticsearch": ElasticsearchSource,
    "opensearch": ElasticsearchSource,
}
TARGETS: dict[str, type[Model]] = {"milvus": MilvusTarget, "files": FilesTarget}
