"""The numbers Milvus 1.x writes for states, file types, metrics, engines and log records."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """`Tables.state`."""

    NORMAL = 0
    TO_DELETE = 1


class FileType(IntEnum):
    """`TableFiles.file_type`."""

    NEW = 0
    RAW = 1
    TO_INDEX = 2
    INDEX = 3
    TO_DELETE = 4
    NEW_MERGE = 5
    NEW_INDEX = 6
    BACKUP = 7


LIVE = frozenset({FileType.RAW, FileType.TO_INDEX, FileType.INDEX, FileType.BACKUP})


class Metric(IntEnum):
    """`Tables.metric_type`; from HAMMING on the vectors are bits."""

    L2 = 1
    IP = 2
    HAMMING = 3
    JACCARD = 4
    TANIMOTO = 5
    SUBSTRUCTURE = 6
    SUPERSTRUCTURE = 7

    @property
    def binary(self) -> bool:
        return self >= Metric.HAMMING


class Engine(IntEnum):
    """`Tables.engine_type` and `TableFiles.engine_type`."""

    FLAT = 1
    IVF_FLAT = 2
    IVF_SQ8 = 3
    NSG = 4
    IVF_SQ8H = 5
    IVF_PQ = 6
    SPTAG_KDT = 7
    SPTAG_BKT = 8
    BIN_FLAT = 9
    BIN_IVF_FLAT = 10
    HNSW = 11
    ANNOY = 12


class IdFlag(IntEnum):
    """`Tables.flag`: who made the ids of what was inserted so far."""

    NOTHING = 0
    BY_SERVER = 1
    BY_USER = 2


class RecordType(IntEnum):
    """Type byte of a record of the log."""

    INSERT_BINARY = 1
    INSERT_VECTOR = 2
    DELETE = 3
    ENTITY = 6
