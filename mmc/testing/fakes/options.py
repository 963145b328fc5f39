"""Options of the fakes. Imports no client."""

from __future__ import annotations

from typing import ClassVar, Literal

from mmc.spi import VERSION, Options


class KitSourceOptions(Options):
    """Rows of one Arrow file."""

    spi: ClassVar[int] = VERSION
    type: Literal["kit"]
    path: str
    """The file, as `write_rows` makes it."""

    @property
    def shown_places(self) -> tuple[str, ...]:
        return (self.path,)


class KitTargetOptions(Options):
    """Collections in an SQLite file."""

    spi: ClassVar[int] = VERSION
    type: Literal["kit"]
    folder: str
    """The folder of the file."""

    def identity(self) -> str:
        return f"{self.type} {self.folder}"
