"""Vector files as a source: Parquet, NumPy, JSON, CSV, fvecs, HDF5. One module a format."""

from mmc.sources.files.location import locate
from mmc.sources.files.source import FilesSource

__all__ = ["FilesSource", "locate"]
