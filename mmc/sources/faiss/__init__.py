"""The `faiss` source: `layout` parses, `table` flattens, `read` fetches, `lossy` decodes."""

from mmc.sources.faiss.location import locate
from mmc.sources.faiss.source import FaissSource

__all__ = ["FaissSource", "locate"]
