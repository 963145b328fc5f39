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


class MilvusTarget(Model):
    """Milvus 2.x; a local path such as ./demo.db is embedded Milvus Lite."""

    type: Literal["milvus"]
    uri: Annotated[str, Field(min_length=1)]
    """`http://host:19530`, or a path that ends in .db."""
    token: Secret | None = None
    """`user:password` or an API key."""
    database: str = ""
    """Database; made when it is not there. Default: `default`."""
    timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds for one call."""


class FilesTarget(Model):
    """Files in Milvus's import layout, with a manifest.json."""

    type: Literal["files"]
    url: Annotated[str, Field(min_length=1)]
    """Folder; local or any fsspec URL."""
    format: Literal["parquet", "numpy", "json"] = "parquet"
    storage: Storage = Field(default_factory=dict)


SOURCES: dict[str, type[Model]] = {"files": FilesSource, "faiss": FaissSource}
TARGETS: dict[str, type[Model]] = {"milvus": MilvusTarget, "files": FilesTarget}
