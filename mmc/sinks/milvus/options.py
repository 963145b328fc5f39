"""Options of the `milvus` target, whatever the route."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mmc.milvus.options import ServerOptions


class MilvusTargetOptions(ServerOptions):
    """Milvus 2.x; a local path such as ./demo.db is embedded Milvus Lite."""

    type: Literal["milvus"]
    json_bytes: Annotated[int | None, Field(ge=1, le=1 << 31)] = None
    """Most bytes of one JSON document, where the server's `common.JSONMaxLength` is not 65,536."""
