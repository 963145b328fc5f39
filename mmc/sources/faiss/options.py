"""Options of the `faiss` source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from mmc.sources.faiss.codes import CODES
from mmc.spec.models import Model
from mmc.spec.options import Options, Storage, stored


class Join(Model):
    """A side file that adds columns to rows by their id."""

    path: Annotated[str, Field(min_length=1)]
    """Parquet, CSV or JSON lines file; its columns become source columns."""
    key: Annotated[str, Field(min_length=1)]
    """Column of the side file that holds the id."""


class FaissOptions(Options):
    """A Faiss index file."""

    codes: ClassVar[Mapping[str, str]] = CODES
    type: Literal["faiss"]
    path: Annotated[str, Field(min_length=1)]
    """The index file; local or any fsspec URL."""
    join: Join | None = None
    """Payload for the ids."""
    allow_lossy: bool = False
    """Migrate from an index that stores approximations (SQ, PQ, ...) by decoding them."""
    storage: Storage = Field(default_factory=dict)
    """Options of the file system, by the names of fsspec, such as `{key: {secret: env:S3_KEY}}`."""

    @property
    def shown_places(self) -> tuple[str, ...]:
        return (self.path,)

    @property
    def files(self) -> Mapping[str, JsonValue]:
        """Options of the file system."""
        return stored(self.storage)
