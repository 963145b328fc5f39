"""The shape of a spec: pydantic models, frozen, unknown keys refused. Field docs here are the docs
of the JSON Schema.

Checks that need only one value live here as annotations; checks across values are in `load`, checks
against facts in `mmc.compile`. The models of the built-in endpoints are in `endpoints`; a plug-in
brings its own.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from mmc.plan.ddl import Loss
from mmc.plan.model import Mode, OnDrift, OnError
from mmc.plan.sound import MOST_WORKERS
from mmc.spec.sizes import bytes_of
from mmc.types import DENSE_VECTORS, FieldType, Metric, TypeKind, TypeSyntaxError, nearest_hint


class Model(BaseModel):
    """Base of every part of a spec."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A Milvus name: letters, digits and underscores, not starting with a digit."""


class Secret(Model):
    """A reference to a secret; the secret itself is never written in a spec."""

    secret: Annotated[str, Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]
    """`env:NAME` or `file:/path`."""


class TypeMapping(Model):
    """A type in mapping form, such as `{kind: array, element: varchar(64), capacity: 10}`; `fmt`
    writes it as text.
    """

    kind: str
    """Name of a Milvus data type."""
    length: int | None = None
    """varchar: longest value in bytes of UTF-8."""
    dim: int | None = None
    """Vectors: dimension; for binary vectors in bits."""
    element: str | TypeMapping | None = None
    """array: type of the elements."""
    capacity: int | None = None
    """array: most elements in one value."""


def field_type(said: str | TypeMapping) -> FieldType:
    """The type that a spec says, in text or in mapping form. Raises TypeSyntaxError."""
    if isinstance(said, str):
        if len(said) > MAX_TYPE_TEXT:
            raise TypeSyntaxError(f"a type of {len(said)} characters")
        return FieldType.parse(said)
    try:
        kind = TypeKind(said.kind)
    except ValueError:
        raise TypeSyntaxError(
            f"`{said.kind}` is not a Milvus data type", nearest_hint(said.kind)
        ) from None
    for name in ("length", "dim", "element", "capacity"):
        if getattr(said, name) is not None and name not in _PARAMETERS.get(kind, ()):
            raise TypeSyntaxError(f"{kind} takes no {name}", f"remove {name}")
    element = field_type(said.element) if said.element is not None else None
    return FieldType(
        kind, length=said.length, dim=said.dim, element=element, capacity=said.capacity
    )


MAX_TYPE_TEXT = 200
_PARAMETERS: dict[TypeKind, tuple[str, ...]] = {
    TypeKind.VARCHAR: ("length",),
    TypeKind.ARRAY: ("element", "capacity"),
    **dict.fromkeys(DENSE_VECTORS, ("dim",)),
}


class IndexSpec(Model):
    """An index on a field."""

    type: str
    """Milvus index type, such as HNSW, IVF_FLAT, FLAT, AUTOINDEX, INVERTED."""
    metric: Metric | None = None
    """Metric of a vector index. Default: the metric of the source's index; where it has none,
    COSINE (binary: HAMMING, sparse: IP), with a note.
    """
    params: dict[str, JsonValue] = {}
    """Build parameters by Milvus's names, such as `{M: 16, efConstruction: 200}`."""


NO_INDEX = "none"


def _index_of(said: Any) -> Any:
    """`HNSW` means `{type: HNSW}`."""
    return {"type": said} if isinstance(said, str) and said != NO_INDEX else said


IndexText = Annotated[
    str, Field(min_length=1, examples=["HNSW", "IVF_FLAT", "FLAT", "AUTOINDEX", NO_INDEX])
]
"""A type of index, or `none`; the model holds only the latter as text."""


class FieldSpec(Model):
    """One target field. What is not said is inferred from the source and shown in the plan."""

    from_: Annotated[str | None, Field(alias="from", min_length=1)] = None
    """Source column. Default: the column named like `to`."""
    to: Name | None = None
    """Target field. Default: the name of the source column."""
    expr: Annotated[str | None, Field(min_length=1)] = None
    """SQL over the source columns of one row, instead of `from`."""
    constant: JsonValue = None
    """One value for all rows, instead of `from`."""
    drop: bool = False
    """Leave the source column out."""
    type: str | TypeMapping | None = None
    """Milvus type, such as `int64`, `varchar(512)`, `float_vector(768)`, `array<int64>(100)`."""
    cast: str | None = None
    """How values are converted when more than one way exists, such as `epoch_ms` for timestamps."""
    primary_key: bool | None = None
    """Make this the primary key. Default: the key that the source names, else a row number or `id`
    column.
    """
    auto_id: bool = False
    """The target makes the key; needs a route that can be replayed without one."""
    nullable: bool | None = None
    """Accept nulls. Default: as seen in the source, where the target can store nulls."""
    default: JsonValue = None
    """Value in the place of a null or missing one."""
    partition_key: bool = False
    """Let Milvus spread rows over partitions by this field."""
    normalize: bool = False
    """Divide each vector by its Euclidean length."""
    index: Annotated[IndexSpec | IndexText | None, BeforeValidator(_index_of)] = None
    """Index on this field: its type, such as `HNSW`, or a mapping that also has its metric and its
    parameters; `none` leaves it out. Default: the source's index on vectors, none on scalars.
    """


class CollectionSpec(Model):
    """One collection to migrate."""

    from_: Annotated[str | None, Field(alias="from", min_length=1)] = None
    """Collection of the source. May be left out when the source has one."""
    to: Name | None = None
    """Target collection. Default: the source's name, with characters that Milvus refuses replaced
    by `_`.
    """
    where: Annotated[str | None, Field(min_length=1)] = None
    """SQL condition over source columns; rows for which it is not true are left out and counted."""
    fields: list[FieldSpec] = []
    """Fields that differ from what is inferred; the others keep the inferred mapping."""
    rest: Literal["map", "dynamic", "drop"] = "map"
    """Source columns that `fields` does not name: a field each, into the dynamic field, or left
    out.
    """
    unmapped: Literal["report", "fail", "dynamic"] = "report"
    """Values that no column of the source takes: names that no sampled document had, for one.
    `report` counts them by name, and the run ends with exit code 3; `fail` stops the run; `dynamic`
    puts them into the dynamic field. Names that are dropped are not counted, and with `rest: drop`
    none is, unless this key is written.
    """
    dynamic: bool | None = None
    """Enable the dynamic field. Default: only when something goes into it, by `rest` or
    `unmapped`.
    """
    shards: Annotated[int | None, Field(ge=1, le=64)] = None
    """Shards of a new collection. Default: 1, or as many as the collection has that is replaced."""
    description: str = ""
    """Description of the collection; of one that exists it is changed, where the server can.
    Default: that of the collection that is replaced.
    """
    properties: dict[str, str | int | float | bool] = {}
    """Properties of the collection by Milvus's names, such as `{collection.ttl.seconds: 864000}`.
    They are added to those of a collection that exists or is replaced.
    """


FILE_SIZES = (1 << 20, 1 << 33)
"""Least and most bytes of a staged file."""


class StagingSpec(Model):
    """Where files wait for a bulk import: a folder that Milvus itself reads."""

    url: Annotated[str, Field(min_length=1)]
    """In Milvus's own bucket (`s3://bucket/prefix`, `gs://`, `abfs://`, `oss://`), or a folder on
    the disk of a server with local storage.
    """
    format: Literal["auto", "parquet", "numpy", "json"] = "auto"
    """`auto` is Parquet where the server takes it."""
    file_size: int | Annotated[str, Field(min_length=1)] = "512MiB"
    """Wanted size of a file, as its rows are in the source, from 1 MiB to 8 GiB: bytes, or a text
    such as `256MiB`.
    """
    keep: bool = False
    """Leave the files there when all is verified."""
    storage: dict[str, Secret | JsonValue] = Field(default_factory=dict)
    """Options of the file system, by fsspec's names."""

    @property
    def bytes_wanted(self) -> int:
        """`file_size` in bytes."""
        if isinstance(self.file_size, int):
            return self.file_size
        return bytes_of(self.file_size) or 0


class LoadSpec(Model):
    """How rows get in."""

    route: Literal["auto", "insert", "bulk"] = "auto"
    """`auto` chooses and shows the reason in the plan."""
    mode: Mode = Mode.FAIL
    """An existing collection: `fail`, `append`, `upsert` or `replace` (drops it first)."""
    allow_loss: list[Loss] = []
    """With `replace`: what of the old collection may be lost, since mmc cannot make it again.
    Without it such a collection is an error in the plan.
    """
    split_bytes: Annotated[int | None, Field(ge=1 << 16, le=1 << 34)] = None
    """Wanted size of a split in the source, in bytes. Default: 128 MiB, or about 100,000 rows for
    inserts.
    """
    wait_for_index: bool = True
    """Whether an apply ends only when a server's indexes cover every row. Without it they go on
    being built when the apply has ended; rows are counted, compared and searchable all the same.
    """
    staging: StagingSpec | None = None
    """Where files wait for a bulk import. Without it, rows are inserted."""
    batch_bytes: Annotated[int | None, Field(ge=1 << 10, le=1 << 26)] = None
    """Most bytes in one batch. Default: 8 MiB."""
    workers: Annotated[int | None, Field(ge=1, le=MOST_WORKERS)] = None
    """Threads or processes that copy splits side by side. Default: 2; always 1 for an embedded
    target.
    """


class RowsSpec(Model):
    """What happens to rows that do not fit."""

    on_error: OnError = OnError.FAIL
    """`fail` stops the run at the first bad row; `quarantine` writes bad rows with their reasons to
    a file.
    """
    max_errors: Annotated[int | None, Field(ge=0)] = 1000
    """Quarantined rows allowed in a run; null means no limit."""


class VerifySpec(Model):
    """How it is proved that everything arrived."""

    count: Literal["exact", "off"] = "exact"
    """count(*) at strong consistency against what was written."""
    digest: Literal["full", "off"] = "full"
    """Read everything back and compare an order-free digest of all values."""


class SampleSpec(Model):
    """How much of the source is looked at to infer lengths and nulls."""

    rows: Annotated[int, Field(ge=0, le=10_000_000)] = 10_000
    """Rows of each collection."""
    seed: int = 7
    """Which rows."""


class SpecModel(Model):
    """A whole spec, after rendering. `source` and `target` are checked by the model that their
    `type` names.
    """

    version: Literal[1]
    """Version of the spec format."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")] = "migration"
    """Name of the migration; the file's stem when left out."""
    vars: dict[str, JsonValue] = {}
    """Values for `{{ vars.NAME }}`; `--var NAME=VALUE` overrides."""
    source: Any
    """Where rows come from."""
    target: Any
    """Where rows go."""
    collections: list[CollectionSpec] = []
    """Collections to migrate; empty means all of the source, each inferred."""
    load: LoadSpec = LoadSpec()
    rows: RowsSpec = RowsSpec()
    verify: VerifySpec = VerifySpec()
    sample: SampleSpec = SampleSpec()
    on_drift: OnDrift = OnDrift.FAIL
    """Row counts that differ between plan and apply. With `warn` or `ignore`, rows that a live
    source changed after the plan do not stop the run either: they are counted, and left to another
    plan.
    """
    lint: dict[str, Literal["off", "note", "warning", "error"]] = {}
    """Severity of diagnostics by code, such as `{MMC311: off}`; errors cannot be lowered."""
