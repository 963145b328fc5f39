"""Sources `elasticsearch` and `opensearch`: indices, aliases and data streams of a live cluster."""

from mmc.sources.elasticsearch.location import locate
from mmc.sources.elasticsearch.source import ElasticsearchSource, OpensearchSource

__all__ = ["ElasticsearchSource", "OpensearchSource", "locate"]
