"""The `faiss` source: `layout` parses, `table` flattens, `read` fetches, `lossy` decodes."""

from mmc.sources.faiss.source import FaissSource

__all__ = ["FaissSource"]
