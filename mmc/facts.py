"""What was seen at both ends, as plain values: the second input of `compile`.

A source's `inspect` fills SourceFacts, a sink's TargetFacts. Both go to and from JSON (`mmc
inspect`, `plan --facts`) through `mmc.plan.codec`. Nothing here is an opinion: choices are made by
`compile` and stand in the plan.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum

from mmc.diagnostics import Diagnostic
from mmc.errors import SourceChanged
from mmc.types import Collection, Field, Index, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a seeded sample of one source field showed.

    Attributes:
        rows: rows looked at (0: nothing was sampled; the type alone is known).
        nulls: null or missing among them.
        max_bytes: longest text or binary value, in bytes of UTF-8.
        max_items: longest list.
        min_value, max_value: of integers.
        non_finite: NaN or infinity among floats and vectors.
        examples: a few short values, as text, for preview and messages.
        non_objects: JSON documents that are neither an object nor null, where the source counts
            them.
    """

    rows: int = 0
    nulls: int = 0
    max_bytes: int | None = None
    max_items: int | None = None
    min_value: int | None = None
    max_value: int | None = None
    non_finite: int = 0
    examples: tuple[str, ...] = ()
    non_objects: int = 0


@dataclass(frozen=True, slots=True)
class SourceField:
    """One column a source can give.

    Attributes:
        arrow: type as `mmc.types.ArrowType` text, as `read` will yield it.
        vector: Milvus type text when the source itself knows the column to be a vector, such as
            `float_vector(768)`, `binary_vector(128)` (Faiss binary, bvecs) or
            `sparse_float_vector`; else "".
        key: the source says that this column identifies a row.
        unique: the source guarantees that no value occurs twice (row numbers), so no key check is
            needed.
        repeated: the source holds values of this column several times and is told to keep every
            row, so that a key made of it is not unique.
        json_text: the strings are JSON documents (nested values that were serialised).
        index: index the source has on the field, in Milvus's terms, carried over unless the spec
            says otherwise.
        note: one line for the plan: where the type or index comes from, or what the mapping loses.
        source_type: type in the source's own words, such as `scaled_float`, where it has some.
        on_request: becomes a field only where the spec names it: what the source knows beside the
            values of a row.
        declared: the whole Milvus field where the source states it (a manifest, another Milvus):
            type with its lengths, primary key, nullable, default, partition key.
    """

    name: str
    arrow: str
    _: KW_ONLY
    vector: str = ""
    key: bool = False
    unique: bool = False
    repeated: bool = False
    nullable: bool = True
    json_text: bool = False
    index: Index | None = None
    evidence: Evidence = Evidence()
    note: str = ""
    declared: Field | None = None
    on_request: bool = False
    source_type: str = ""


class Locator(dict[str, JsonValue]):
    """What a plan says of the place of a piece. Asking for what it does not say, or not as a
    number, raises SourceChanged: a plan may have been changed by hand.
    """

    def __missing__(self, key: str) -> JsonValue:
        raise SourceChanged(
            f"the plan does not say the `{key}` of a piece of the source",
            hint="plan again: the plan was changed, or made by another mmc",
        )

    def number(self, key: str) -> int:
        value = self[key]
        if isinstance(value, bool) or not isinstance(value, int):
            raise SourceChanged(
                f"the plan says {value!r} for the `{key}` of a piece of the source, and it is a"
                " number",
                hint="plan again: the plan was changed, or made by another mmc",
            )
        return value


SAMPLED = "sampled-"
"""Stands in a fingerprint that rests on a size and some bytes: the server of the file tells neither
a version nor a time.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A re-readable piece of a source: a file's rows, a row group, a run of inverted lists, a byte
    range.

    Attributes:
        locator: what `read` needs to find it again: sorted pairs of plain values, such as ("path",
            "x.parquet"). What `path`, `path:NAME`, `folder`, `log` or `index` says must be in the
            fingerprint of the collection: see `mmc.plan.origins`.
        start, stop: bounds in `unit`s; rows start..stop-1 of the file, lists, or bytes.
        unit: "row", "list", "byte". Only "row" extents may be cut, at any row between start and
            stop.
        rows: rows inside; None when only reading tells (byte ranges of text files).
        bytes: size inside the source, for sizing splits.
        partition: Milvus partition these rows belong to, or "".
    """

    locator: tuple[tuple[str, JsonValue], ...]
    start: int
    stop: int
    unit: str
    rows: int | None
    bytes: int
    cuttable: bool = False
    partition: str = ""

    @property
    def place(self) -> Locator:
        """The locator by its keys."""
        return Locator(self.locator)


class Decoding(StrEnum):
    """Whose work it is to decode rows. Several threads share native code; what Python does, one
    process does on one core.
    """

    NATIVE = "native"
    PYTHON = "python"


@dataclass(frozen=True, slots=True)
class SourceCollection:
    """One thing of a source that becomes one Milvus collection.

    Attributes:
        name: what the spec's `from` names, and the default of `to`.
        rows: exact count, or None when only reading tells.
        fingerprint: changes when the content may have changed: sorted (file, "size:mtime_ns" or
            etag) pairs.
        notes: lines for the plan about the whole ("index IxSq stores 8-bit codes: vectors are
            approximations").
        lossy: name of the quantiser when vectors are not the original ones, else "".
        lost: rows that the source itself has lost already (Faiss: counted but in no list).
        moving: a row that is changed after the plan leaves its extent, for a place behind the last
            one: reading gives fewer rows then, and what is there.
        decodes: whose work reading is.
        problems: what looking found wrong, damaged files for one; an error stops the plan of this
            collection. Without a span: `compile` gives them their place.
    """

    name: str
    fields: tuple[SourceField, ...]
    _: KW_ONLY
    extents: tuple[Extent, ...]
    rows: int | None
    bytes: int
    fingerprint: tuple[tuple[str, str], ...] = ()
    partitions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lossy: str = ""
    lost: int = 0
    moving: bool = False
    decodes: Decoding = Decoding.NATIVE
    problems: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """Everything `inspect` saw. `type` is the source's name in the registry, `version` the
    system's.
    """

    type: str
    version: str
    collections: tuple[SourceCollection, ...]
    sample_rows: int = 0
    sample_seed: int = 0

    def collection(self, name: str) -> SourceCollection:
        """Raises KeyError."""
        for collection in self.collections:
            if collection.name == name:
                return collection
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensNumbered:
    """Tokens of the sparse vectors of a source, in the table that numbers them.

    Attributes:
        fields: (collection, field) pairs that have tokens.
        documents: that were read, whether they have tokens or not.
        found: different tokens in them.
        new: of those, how many the table did not have.
        total: tokens of the table.
        written: the table was made or extended; else its file is as it was.
        named: the options of the source name this table already.
    """

    fields: tuple[tuple[str, str], ...]
    documents: int
    found: int
    new: int
    total: int
    written: bool
    named: bool = False


class ParamKind(StrEnum):
    """What a build parameter of an index is. A flag may also be the text `true` or `false`."""

    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class IndexParam:
    """One build parameter of a type of index.

    Attributes:
        least, most: bounds of a number, both inside; None where there is no bound.
        texts: the only texts it may be, whatever their case; () where any is taken.
    """

    name: str
    kind: ParamKind = ParamKind.INTEGER
    _: KW_ONLY
    least: int | float | None = None
    most: int | float | None = None
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexRule:
    """What a target takes of one type of index.

    Attributes:
        type: type of index.
        fields: kinds of field it can be built on; () where any. A type of index may have several
            rules, for different kinds.
        params: every build parameter that it knows.
        metrics: metrics it compares by; () where any that suits the field.
    """

    type: str
    fields: tuple[str, ...] = ()
    params: tuple[IndexParam, ...] = ()
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a target (at its version, by one route) can take. `compile` refuses or adapts by it,
    before any write.

    Attributes:
        types: Milvus type names that can be stored and read back exactly.
        elements: type names that an array may hold.
        varchar_unit: "bytes" on servers and in files, "characters" on Milvus Lite.
        keyed_replay: writing a row again by its primary key replaces it, so a replayed split is
            harmless.
        whole_files: a split is whole files with fixed names, so a replayed split is harmless.
        auto_id: the target can make the primary key itself.
        auto_text_id: also one of text.
        index_types: types of index it can build on vectors; () where none are refused.
        scalar_indexes: (type of index, names of the scalar types it can be built on, an array as
            `array<int64>`); () where none are refused.
        index_defaults: (type of index, parameters that it is refused without, with the values that
            later versions take by themselves).
        index_needs: (type of index, parameters that it is refused without and that have no such
            value).
        index_rules: what it takes of each type of index; a type without a rule is not checked.
        json_objects: JSON documents are objects or null; anything else is refused.
        json_bytes: most bytes of one JSON document, also of the dynamic field; 0 where no limit is
            known.
        imports: rows go in by importing files, which a ledger makes harmless to repeat.
        formats: of the files it takes.
        format_types: (format, names of the types that its files can carry).
        format_elements: (format, type names that its arrays may hold).
        format_nulls: formats whose files have a place for a null.
        format_empty_is_null: formats whose empty arrays come in as null where the field is
            nullable.
        nullable_arrays: an array may be null, and is told from an empty one.
        import_flaw: why imports of this version are better left alone; "" where they are not.
        partition_key_flaw: why rows must not be imported by a partition key.
        files_per_import: splits that one import may have.
        index_first: an index is best made before the rows come: the server builds it with them.
        load_first: rows can be inserted into a collection that is loaded, and be counted at once.
        keeps_shards, keeps_description: of a collection, as it was told them.
        alters_description: of a collection that exists; properties can be set everywhere.
        own_properties: that a spec cannot set.
        max_fields, max_vector_fields, max_partitions, max_shards: of a collection, as servers are
            configured unless somebody changed it; 0 where no limit is known. The default partition
            counts. `vector_fields` is the number that no configuration goes beyond.
    """

    types: frozenset[str]
    elements: frozenset[str]
    varchar_unit: str = "bytes"
    nullable: bool = True
    nullable_vectors: bool = False
    defaults: bool = True
    dynamic: bool = True
    partitions: bool = True
    partition_key: bool = True
    vector_fields: int = 10
    needs_vector: bool = True
    embedded: bool = False
    keyed_replay: bool = True
    whole_files: bool = False
    auto_id: bool = False
    auto_text_id: bool = True
    index_types: frozenset[str] = frozenset()
    scalar_indexes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    index_defaults: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    index_needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    index_rules: tuple[IndexRule, ...] = ()
    max_batch_bytes: int = 16 * 2**20
    json_objects: bool = False
    json_bytes: int = 0
    formats: tuple[str, ...] = ()
    format_types: tuple[tuple[str, tuple[str, ...]], ...] = ()
    format_elements: tuple[tuple[str, tuple[str, ...]], ...] = ()
    format_nulls: tuple[str, ...] = ()
    format_empty_is_null: tuple[str, ...] = ()
    nullable_arrays: bool = True
    import_flaw: str = ""
    partition_key_flaw: str = ""
    imports: bool = False
    files_per_import: int = 1
    index_first: bool = False
    load_first: bool = False
    keeps_shards: bool = True
    keeps_description: bool = True
    alters_description: bool = False
    own_properties: tuple[str, ...] = ()
    max_fields: int = 0
    max_vector_fields: int = 0
    max_partitions: int = 0
    max_shards: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetCollection:
    """A collection that is already there.

    Attributes:
        schema: as the target describes it, under its own name; without the property by which a run
            of mmc claims a collection.
        rows: all of them, by count(*); what the target has stored, where not all are loaded.
        loaded: all of its rows can be asked for.
        unloaded: partitions that are not loaded while others are, sorted. The target calls such a
            collection loaded, and counts and finds the rows of the others only.
        asked: the alias by which it was asked for; "" where that was its own name.
        aliases: all other names that it has, sorted.
        functions: names of the functions that make values of its fields, sorted.
        field_options: what fields have that mmc does not make, as `text: enable_analyzer`.
        key_partitions: partitions that a partition key spreads rows over; 0 where there is none.
        consistency: level that reads have unless they say another; "" where not known.
        run: the run of mmc that is filling it, or began to; "" where none is, None where the target
            cannot tell.
        unknown_fields: (name, type in the target's own words) of fields that mmc has no type for;
            they are not in `schema`.
        omittable: of the unknown fields, those that a row may come without: nullable ones, and
            those with a default.
        filled: (field, function) for each field of `schema` whose values a function of the
            collection makes: rows come without it.
    """

    schema: Collection
    rows: int
    indexes: tuple[tuple[str, Index], ...] = ()
    loaded: bool = True
    unknown_fields: tuple[tuple[str, str], ...] = ()
    omittable: tuple[str, ...] = ()
    filled: tuple[tuple[str, str], ...] = ()
    unloaded: tuple[str, ...] = ()
    asked: str = ""
    aliases: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    field_options: tuple[str, ...] = ()
    key_partitions: int = 0
    consistency: str = ""
    run: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which these facts are found."""
        return (self.schema.name, self.asked) if self.asked else (self.schema.name,)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """What a sink's `inspect` saw: version, what it can take, and the named collections that
    exist already.

    Attributes:
        problems: what looking found; an error stops the plan. Without a span: `compile` gives them
            their place.
        no_import: why this target imports no files, wherever they are staged; None where it may.
    """

    type: str
    route: str
    version: str
    capabilities: Capabilities
    collections: tuple[TargetCollection, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    no_import: Diagnostic | None = None

    def collection(self, name: str) -> TargetCollection | None:
        """The collection of that name or alias, as far as it was asked for."""
        found = [one for one in self.collections if name in one.names]
        # The same collection may have been asked for twice: by its name, and by an alias of it.
        return min(found, key=lambda one: name != one.names[-1], default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Both ends together: what `mmc inspect` writes and `mmc plan --facts` reads.

    Attributes:
        bulk: the target by its bulk route, looked at when the spec gives a staging place.
        source_of, target_of: what these are facts of, as `mmc.plan.places.place_of` says it; ""
            where an older mmc saved them.
    """

    source: SourceFacts
    target: TargetFacts
    bulk: TargetFacts | None = None
    source_of: str = ""
    target_of: str = ""
