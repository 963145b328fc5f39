"""Options of the `files` source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from mmc.sources.files.codes import CODES
from mmc.spec.models import Model
from mmc.spec.options import Options, Problem, Storage, stored


class Csv(Model):
    """How a CSV file is written."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """One character between two fields. A `.tsv` file has a tab unless this says otherwise."""
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    """One character around a field."""
    header: bool = True
    """The first line names the columns; otherwise they are f0, f1, ..."""
    null_values: list[str] = Field(default_factory=lambda: [""])
    """Unquoted texts that mean null."""


class FilesOptions(Options):
    """Vector files: Parquet, NumPy, JSON lines, CSV, fvecs, bvecs, HDF5."""

    codes: ClassVar[Mapping[str, str]] = CODES
    type: Literal["files"]
    path: str | list[str] | None = None
    """A file, a folder, a glob, or a list of them; local or any fsspec URL. This or `manifest`."""
    manifest: str | None = None
    """`manifest.json` that a `files` target wrote; brings collections, types, indexes and
    checksums. This or `path`.
    """
    format: Literal["auto", "parquet", "numpy", "json", "csv", "fvecs", "bvecs", "hdf5"] = "auto"
    """`auto` goes by the file name."""
    csv: Csv = Csv()
    storage: Storage = Field(default_factory=dict)
    """Options of the file system, by the names of fsspec, such as `{key: {secret: env:S3_KEY}}`."""

    @property
    def files(self) -> Mapping[str, JsonValue]:
        """Options of the file system."""
        return stored(self.storage)

    @property
    def shown_places(self) -> tuple[str, ...]:
        paths = [self.path] if isinstance(self.path, str) else self.path or []
        return tuple(filter(None, (*paths, self.manifest)))

    @property
    def layout_manifest(self) -> str:
        return self.manifest or ""

    def url_of(self, file: str) -> str:
        """Files that a manifest names lie beside it."""
        base = self.layout_manifest.rpartition("/")[0]
        return f"{base}/{file}" if base else file

    def problems(self) -> Iterator[Problem]:
        """Files are named once."""
        if self.path is not None and self.manifest is not None:
            yield Problem(
                code="MMC240",
                message="a files source reads `path` or `manifest`, not both",
                path=("manifest",),
                hint="remove one of them",
                key=True,
            )
        elif not self.path and not self.manifest:
            yield Problem(
                code="MMC240",
                message="a files source needs `path` or `manifest`",
                path=("path",) if self.path is not None else (),
                hint="add path: FILES, or manifest: FILE",
                key=True,
            )
