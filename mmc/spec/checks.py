"""Models -> findings about what a spec says, as far as that needs no facts. CHECKS is the table of
contents.

Each check is a generator over a `Draft`; a check says nothing about parts that an earlier step
already refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mmc.casts import CASTS
from mmc.diagnostics import Severity
from mmc.spec.document import Path, show
from mmc.spec.models import (
    FILE_SIZES,
    NO_INDEX,
    CollectionSpec,
    FieldSpec,
    IndexSpec,
    SpecModel,
    field_type,
)
from mmc.spec.options import PLACE, Models, Options, codes_of, odd_folder
from mmc.spec.sizes import bytes_of, shown
from mmc.spec.structure import Finding
from mmc.spec.values import misfit
from mmc.types import (
    VECTORS,
    FieldType,
    Metric,
    TypeKind,
    TypeSyntaxError,
    nearest,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A spec under check.

    Attributes:
        source, target: None when their own models refused them.
        broken: parts that were refused before, and all that they are parts of.
        models: what is installed.
    """

    model: SpecModel
    source: Options | None
    target: Options | None
    broken: frozenset[Path]
    models: Models

    def damaged(self, path: Path) -> bool:
        """Whether something at or below the path was refused, so that what is missing there is no
        news.
        """
        return path in self.broken

    def fields(self) -> Iterator[tuple[Path, FieldSpec, CollectionSpec]]:
        for i, collection in enumerate(self.model.collections):
            for j, field in enumerate(collection.fields):
                yield ("collections", i, "fields", j), field, collection


def types(draft: Draft) -> Iterator[Finding]:
    """Type texts parse."""
    for at, field, _ in draft.fields():
        if field.type is not None:
            try:
                field_type(field.type)
            except TypeSyntaxError as error:
                yield Finding("MMC230", str(error), path=(*at, "type"), hint=error.hint)


def origins(draft: Draft) -> Iterator[Finding]:
    """A field comes from one thing: a column, an expression, a constant, or the target's own
    key.
    """
    for at, field, _ in draft.fields():
        if draft.damaged(at):
            continue
        said = [
            name
            for name in ("from", "expr")
            if getattr(field, "from_" if name == "from" else name) is not None
        ]
        said += ["constant"] if "constant" in field.model_fields_set else []
        said += ["auto_id"] if field.auto_id else []
        if len(said) > 1:
            message = f"a field comes from one thing, and this one says {' and '.join(said)}"
            yield Finding(
                "MMC231", message, path=(*at, said[1]), hint="remove all but one", key=True
            )
        elif field.drop:
            other = sorted(_keys(field) - {"from", "to", "drop"})
            if other:
                message = f"a dropped column takes no `{other[0]}`"
                yield Finding(
                    "MMC231",
                    message,
                    path=(*at, other[0]),
                    hint="a dropped column has `from` only",
                    key=True,
                )
            elif not said and not field.to:
                yield Finding(
                    "MMC231", "which column to drop is not said", path=at, hint="add from: COLUMN"
                )
        elif not said and field.to is None:
            yield Finding(
                "MMC231",
                "a field needs `from` or `to`",
                path=at,
                hint="add to: NAME, and from: COLUMN if it differs",
            )
        elif field.to is None and said[0] in ("expr", "constant"):
            yield Finding(
                "MMC231", f"a field made by `{said[0]}` needs `to`", path=at, hint="add to: NAME"
            )


def _keys(field: FieldSpec) -> set[str]:
    return {"from" if name == "from_" else name for name in field.model_fields_set}


def names(draft: Draft) -> Iterator[Finding]:
    """No target field and no target collection is named twice; with several collections each is
    named.
    """
    for i, collection in enumerate(draft.model.collections):
        seen: dict[str, int] = {}
        for j, field in enumerate(collection.fields):
            name = field.to or field.from_
            if name is None or field.drop:
                continue
            at: Path = ("collections", i, "fields", j)
            if name in seen:
                key = "to" if field.to else "from"
                first = f"first in fields[{seen[name]}]"
                yield Finding(
                    "MMC232",
                    f"two fields are named `{name}`",
                    path=(*at, key),
                    hint="give one another `to`",
                    label=first,
                )
            seen.setdefault(name, j)
    targets: dict[str, int] = {}
    for i, collection in enumerate(draft.model.collections):
        name = collection.to or collection.from_
        if name is None:
            if len(draft.model.collections) > 1 and not draft.damaged(("collections", i)):
                message = "one of several collections must say which it is"
                yield Finding(
                    "MMC243", message, path=("collections", i), hint="add from: COLLECTION"
                )
            continue
        if name in targets:
            key = "to" if collection.to else "from"
            first = f"first in collections[{targets[name]}]"
            message = f"two collections go to `{name}`"
            yield Finding(
                "MMC234",
                message,
                path=("collections", i, key),
                hint="give one another `to`",
                label=first,
            )
        targets.setdefault(name, i)


def keys(draft: Draft) -> Iterator[Finding]:
    """One primary key and one partition key, of types that Milvus takes as keys, never null."""
    first: dict[tuple[Path, str], int] = {}
    for at, field, _ in draft.fields():
        primary = bool(field.primary_key) or field.auto_id
        for name, on in (("primary_key", primary), ("partition_key", field.partition_key)):
            if not on or field.drop:
                continue
            shown = name if getattr(field, name) else "auto_id"
            other = first.setdefault((at[:2], name), int(at[3]))
            if other != at[3]:
                word = name.replace("_", " ")
                label = f"first in fields[{other}]"
                yield Finding(
                    "MMC233",
                    f"a second {word}",
                    path=(*at, shown),
                    hint="a collection has one",
                    label=label,
                )
            type_ = _type(field)
            if type_ and type_.kind not in (TypeKind.INT64, TypeKind.VARCHAR):
                message = f"{type_} cannot be a {name.replace('_', ' ')}"
                yield Finding("MMC237", message, path=(*at, "type"), hint="use int64 or varchar(n)")
        if field.auto_id and field.primary_key is False:
            message = "`auto_id` makes the primary key, and `primary_key: false` says it is none"
            yield Finding("MMC237", message, path=(*at, "primary_key"), hint="remove one of them")
        if primary and field.partition_key:
            message = "the primary key cannot be the partition key"
            yield Finding(
                "MMC242",
                message,
                path=(*at, "partition_key"),
                hint="Milvus spreads rows by the primary key anyway",
            )
        if primary and field.nullable:
            yield Finding(
                "MMC242",
                "the primary key cannot be null",
                path=(*at, "nullable"),
                hint="remove nullable",
            )
        if primary and field.default is not None:
            yield Finding(
                "MMC242",
                "the primary key has no default",
                path=(*at, "default"),
                hint="remove default",
            )


def values(draft: Draft) -> Iterator[Finding]:
    """`default` and `constant` are values of the field's type."""
    for at, field, _ in draft.fields():
        type_ = _type(field)
        constant_null = "constant" in field.model_fields_set and field.constant is None
        if constant_null and (field.nullable is False or field.primary_key):
            yield Finding(
                "MMC238",
                "null for a field that cannot be null",
                path=(*at, "constant"),
                hint="give a value",
            )
        if type_ is not None:
            yield from _typed_values(at, field, type_)


def _typed_values(at: Path, field: FieldSpec, type_: FieldType) -> Iterator[Finding]:
    for name, value in (("default", field.default), ("constant", field.constant)):
        problem = misfit(value, type_) if value is not None else ""
        if problem:
            yield Finding("MMC238", f"`{name}` is no {type_}: {problem}", path=(*at, name))


def vectors(draft: Draft) -> Iterator[Finding]:
    """`normalize` is for vectors of floats."""
    for at, field, _ in draft.fields():
        type_ = _type(field)
        if type_ is not None:
            yield from _typed_normalize(at, field, type_)


def _typed_normalize(at: Path, field: FieldSpec, type_: FieldType) -> Iterator[Finding]:
    floats = (TypeKind.FLOAT_VECTOR, TypeKind.FLOAT16_VECTOR, TypeKind.BFLOAT16_VECTOR)
    if field.normalize and type_.kind not in floats:
        message = f"{type_} cannot be normalized; only vectors of floats have a length to divide by"
        yield Finding("MMC244", message, path=(*at, "normalize"), hint="remove normalize")


def cast_names(draft: Draft) -> Iterator[Finding]:
    """Casts exist."""
    for at, field, _ in draft.fields():
        if field.cast is not None and field.cast not in CASTS:
            close = nearest(field.cast, list(CASTS))
            hint = f"did you mean {close}?" if close else "casts: " + ", ".join(CASTS)
            yield Finding("MMC235", f"no cast `{field.cast[:60]}`", path=(*at, "cast"), hint=hint)


_FLOAT_METRICS = (Metric.COSINE, Metric.IP, Metric.L2)
_BINARY_METRICS = (Metric.HAMMING, Metric.JACCARD, Metric.SUBSTRUCTURE, Metric.SUPERSTRUCTURE)
_METRICS: dict[TypeKind, tuple[Metric, ...]] = {
    TypeKind.FLOAT_VECTOR: _FLOAT_METRICS,
    TypeKind.FLOAT16_VECTOR: _FLOAT_METRICS,
    TypeKind.BFLOAT16_VECTOR: _FLOAT_METRICS,
    TypeKind.INT8_VECTOR: _FLOAT_METRICS,
    TypeKind.BINARY_VECTOR: _BINARY_METRICS,
    TypeKind.SPARSE_FLOAT_VECTOR: (Metric.IP, Metric.BM25),
}
_ANY = ("AUTOINDEX",)
_DENSE = (
    *(
        "HNSW",
        "IVF_FLAT",
        "FLAT",
        "IVF_SQ8",
        "IVF_PQ",
        "IVF_RABITQ",
        "HNSW_SQ",
        "HNSW_PQ",
        "HNSW_PRQ",
        "SCANN",
    ),
    *("DISKANN", "GPU_CAGRA", "GPU_IVF_FLAT", "GPU_IVF_PQ", "GPU_BRUTE_FORCE"),
)
_BINARY = ("BIN_IVF_FLAT", "BIN_FLAT", "MINHASH_LSH")
_SPARSE = ("SPARSE_INVERTED_INDEX", "SPARSE_WAND")
_SCALAR = ("INVERTED", "STL_SORT", "BITMAP", "Trie", "NGRAM")
INDEX_TYPES = (*_ANY, *_DENSE, *_BINARY, *_SPARSE, *_SCALAR)


def indexes(draft: Draft) -> Iterator[Finding]:
    """An index and its metric suit the field's type. What is not known by name may be newer than
    this list.
    """
    for at, field, _ in draft.fields():
        if not isinstance(field.index, IndexSpec):
            continue
        name, place = field.index.type, (*at, "index")
        if name not in INDEX_TYPES:
            close = next((known for known in INDEX_TYPES if known.lower() == name.lower()), None)
            close = close or nearest(name, (*INDEX_TYPES, NO_INDEX))
            hint = f"did you mean {close}?" if close else ""
            message = f"`{name[:60]}` is not an index type that is known here"
            yield Finding(
                "MMC247", message, path=(*place, "type"), hint=hint, severity=Severity.WARNING
            )
        type_ = _type(field)
        if type_ is not None:
            yield from _typed_index(at, field, type_)


def _typed_index(at: Path, field: FieldSpec, type_: FieldType) -> Iterator[Finding]:
    if not isinstance(field.index, IndexSpec):
        return
    name, place = field.index.type, (*at, "index")
    suits = _index_types(type_.kind)
    if name in INDEX_TYPES and name not in suits:
        hint = "use " + ", ".join(suits[:4])
        yield Finding("MMC239", f"no {name} index on {type_}", path=(*place, "type"), hint=hint)
    metric, metrics = field.index.metric, _METRICS.get(type_.kind, ())
    if metric and metric not in metrics:
        hint = "use " + ", ".join(metrics) if metrics else "remove metric: only vectors have one"
        yield Finding(
            "MMC239", f"no metric {metric} on {type_}", path=(*place, "metric"), hint=hint
        )


def with_type(at: Path, field: FieldSpec, type_: FieldType) -> Iterator[Finding]:
    """What a field says that its type does not allow; for a type that was inferred from facts."""
    for check in (_typed_values, _typed_normalize, _typed_index):
        yield from check(at, field, type_)


def _index_types(kind: TypeKind) -> tuple[str, ...]:
    own: tuple[str, ...]
    match kind:
        case TypeKind.BINARY_VECTOR:
            own = _BINARY
        case TypeKind.SPARSE_FLOAT_VECTOR:
            own = _SPARSE
        case _ if kind in VECTORS:
            own = _DENSE
        case _:
            own = _SCALAR
    return (*_ANY, *own)


def dynamic(draft: Draft) -> Iterator[Finding]:
    """`rest: dynamic` and `unmapped: dynamic` need the dynamic field."""
    for i, collection in enumerate(draft.model.collections):
        keys = [key for key in ("rest", "unmapped") if getattr(collection, key) == "dynamic"]
        if keys and collection.dynamic is False:
            message = (
                f"`{keys[0]}: dynamic` needs the dynamic field, and `dynamic: false` turns it off"
            )
            path = ("collections", i, "dynamic")
            yield Finding("MMC246", message, path=path, hint="remove one of them")


def lint_codes(draft: Draft) -> Iterator[Finding]:
    """Codes of `lint` exist."""
    known = codes_of(draft.models) if draft.model.lint else {}
    for code in draft.model.lint:
        if code not in known:
            hint = (
                f"did you mean {code.upper()}?"
                if code.upper() in known
                else "codes look like MMC311"
            )
            yield Finding(
                "MMC236",
                f"no diagnostic has the code `{code[:60]}`",
                path=("lint", code),
                hint=hint,
                key=True,
            )


def endpoints(draft: Draft) -> Iterator[Finding]:
    """What the options of source and target say of themselves."""
    for kind, options in (("source", draft.source), ("target", draft.target)):
        for problem in options.problems() if options is not None else ():
            path = (kind, *problem.path)
            if not draft.damaged(path):
                message = problem.message.replace(PLACE, show(path))
                yield Finding(problem.code, message, path=path, hint=problem.hint, key=problem.key)


def folders(draft: Draft) -> Iterator[Finding]:
    """The staging folder has a bucket, and names between slashes."""
    staging, path = draft.model.load.staging, ("load", "staging", "url")
    if staging is not None and not draft.damaged(path) and (odd := odd_folder(staging.url)):
        yield Finding("MMC248", f"`{show(path)}` {odd[0]}", path=path, hint=odd[1])


def sizes(draft: Draft) -> Iterator[Finding]:
    """Sizes have a unit and are in their range."""
    staging, path = draft.model.load.staging, ("load", "staging", "file_size")
    if staging is None or draft.damaged(path):
        return
    least, most = FILE_SIZES
    said, bytes_ = staging.file_size, staging.bytes_wanted
    if isinstance(said, str) and bytes_of(said) is None:
        message = f"`{show(path)}` is no size: `{said[:60]}`"
        yield Finding("MMC205", message, path=path, hint="write bytes, or a size such as 256MiB")
    elif not least <= bytes_ <= most:
        end = f"at least {shown(least)}" if bytes_ < least else f"at most {shown(most)}"
        yield Finding("MMC205", f"`{show(path)}` must be {end}", path=path)


def _type(field: FieldSpec) -> FieldType | None:
    """The type that is said, where it parses."""
    try:
        return field_type(field.type) if field.type is not None else None
    except TypeSyntaxError:
        return None


CHECKS: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    types,
    origins,
    names,
    keys,
    values,
    vectors,
    cast_names,
    indexes,
    dynamic,
    lint_codes,
    endpoints,
    folders,
    sizes,
)
