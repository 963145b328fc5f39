"""The `milvus1` source: `meta` reads, `live` judges, `log` and `segment` look, `build` describes,
`read` fetches.
"""

from mmc.sources.milvus1.location import locate
from mmc.sources.milvus1.source import Milvus1Source

__all__ = ["Milvus1Source", "locate"]
