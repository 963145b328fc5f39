"""Options of the `files` target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from mmc.plan.places import normal_address
from mmc.sinks.files.codes import CODES
from mmc.spec.options import PLACE, Options, Problem, Storage, odd_folder, stored


class FilesTargetOptions(Options):
    """Files in Milvus's import layout, with a manifest.json."""

    codes: ClassVar[Mapping[str, str]] = CODES
    type: Literal["files"]
    url: Annotated[str, Field(min_length=1)]
    """Folder; local or any fsspec URL."""
    format: Literal["parquet", "numpy", "json"] = "parquet"
    """Milvus's import layout."""
    storage: Storage = Field(default_factory=dict)
    """Options of the file system, by the names of fsspec, such as `{key: {secret: env:S3_KEY}}`."""

    @property
    def files(self) -> Mapping[str, JsonValue]:
        """Options of the file system."""
        return stored(self.storage)

    @property
    def parts_folder(self) -> str:
        return self.url

    @property
    def shown_places(self) -> tuple[str, ...]:
        return (self.url,)

    def identity(self) -> str:
        """The folder."""
        return f"{self.type} {normal_address(self.url)}"

    @classmethod
    def at(cls, address: str) -> tuple[dict[str, JsonValue], bool] | None:
        """Any folder: what is nothing else may be one."""
        return {"url": address}, False

    def problems(self) -> Iterator[Problem]:
        """A folder of an object store has a bucket, and names between slashes."""
        if odd := odd_folder(self.url):
            message, hint = odd
            yield Problem(code="MMC248", message=f"`{PLACE}` {message}", path=("url",), hint=hint)
