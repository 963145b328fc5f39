"""Options of the `milvus` target, whatever the route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mmc.milvus import codes as shared
from mmc.milvus.options import ServerOptions
from mmc.sinks.milvus.codes import CODES


class MilvusTargetOptions(ServerOptions):
    """Milvus 2.x; a local path such as ./demo.db is embedded Milvus Lite."""

    codes: ClassVar[Mapping[str, str]] = {**shared.CODES, **CODES}
    type: Literal["milvus"]
    json_bytes: Annotated[int | None, Field(ge=1, le=1 << 31)] = None
    """Most bytes of one JSON document, where the server's `common.JSONMaxLength` is not 65,536."""
