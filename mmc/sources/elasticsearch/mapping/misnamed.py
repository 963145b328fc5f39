"""Names in the options of the source that no mapping has, as warnings: nothing comes of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from mmc.diagnostics import Diagnostic, Severity
from mmc.sources.elasticsearch.mapping.mapped import Mapped
from mmc.sources.elasticsearch.options import ElasticsearchOptions
from mmc.types import nearest


def misnamed(options: ElasticsearchOptions, collections: Sequence[Mapped]) -> Iterator[Diagnostic]:
    """Names in `flatten` and `arrays` that none of the collections has."""
    objects = dict.fromkeys(path for mapped in collections for path in mapped.objects)
    columns = {one.column.path: one.es_type for mapped in collections for one in mapped.fields}
    for name in options.flatten:
        if name not in objects:
            yield _warning(
                f"source.flatten names `{name}`, and no mapping has an object with members there",
                _covering(name, columns, objects) or _close(name, objects),
            )
    for name in options.arrays:
        if name not in columns:
            yield _warning(
                f"source.arrays names `{name}`, and no mapping has a field there",
                _covering(name, columns, objects) or _close(name, columns),
            )


def _covering(name: str, columns: Mapping[str, str], objects: Collection[str]) -> str:
    """What is at the name, or above it, in one column."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = ".".join(parts[:length])
        if path in columns:
            more = f": `flatten: [{path}]` would open it" if path in objects else ""
            return f"`{path}` is one column, of type {columns[path]}{more}"
    return ""


def _close(name: str, known: Collection[str]) -> str:
    close = nearest(name, list(known))
    return f"did you mean `{close}`?" if close else "name it as the mapping does, with dots"


def _warning(message: str, hint: str) -> Diagnostic:
    return Diagnostic("MMC467", message, severity=Severity.WARNING, hint=hint)
