"""Text -> Spec: parse, render, check the structure, build the models, check what they say. Needs no
network.

All problems come back at once, each with its place; a Spec only when there is no error among them.
What one step refuses is left out for the next, so that a misspelt key does not hide a bad type.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from mmc.diagnostics import Diagnostic, Severity, Span
from mmc.errors import PluginMissing
from mmc.plan import codec
from mmc.plan.model import Endpoint
from mmc.spec import credentials, structure
from mmc.spec.checks import CHECKS, Draft
from mmc.spec.document import MAX_BYTES, Document, Path, parse, show
from mmc.spec.models import SpecModel
from mmc.spec.options import Kind, Models, Options
from mmc.spec.schema import strict
from mmc.spec.structure import Finding
from mmc.spec.template import Rendered, render
from mmc.storage.names import as_text
from mmc.types import JsonValue

MAX_SHOWN = 1_000
"""Most diagnostics of one spec."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A spec without errors.

    Attributes:
        model: rendered and checked; `model.source` and `model.target` hold the endpoint models.
        source, target: the endpoints as they stand in a plan, secrets as references.
        digest: sha256 of the rendered model with its defaults; the same for any formatting and any
            place of the file.
        spans: places of values, by path; key_spans: of their keys.
    """

    model: SpecModel
    source: Endpoint
    target: Endpoint
    digest: str
    file: str
    spans: Mapping[Path, Span]
    key_spans: Mapping[Path, Span]

    def span(self, *path: str | int, key: bool = False) -> Span | None:
        """Place of a value (or its key); of the nearest ancestor when the path itself is not in the
        text.
        """
        return Document(file=self.file, data=None, keys=self.key_spans, values=self.spans).span(
            path, key=key
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of a text: `spec` is None when there is an error among the diagnostics, sorted by
    place.
    """

    spec: Spec | None
    diagnostics: tuple[Diagnostic, ...]


def load_spec(
    path: str | os.PathLike[str],
    *,
    variables: Mapping[str, str] = _NOTHING,
    env: Mapping[str, str] | None = None,
    models: Models,
) -> Loaded:
    """Reads a spec file. Never raises for what is in it, or when it is not there.

    Args:
        variables: values for `{{ vars.NAME }}`, over those of the spec.
        env: values for `{{ env.NAME }}`; the process's environment when None.
        models: the options of the plug-ins that are installed.
    """
    # Findings name the file, and a plan keeps them.
    file = as_text(os.fspath(path))
    top = Span(file=file, line=1, column=1, end_column=2)
    try:
        with FilePath(path).open("rb") as stream:
            raw = stream.read(MAX_BYTES + 4)
    except OSError as error:
        return Loaded(
            None, (Diagnostic("MMC101", f"cannot read the file: {error.strerror}", span=top),)
        )
    try:
        text = (
            raw.decode("utf-8-sig") if len(raw) <= MAX_BYTES else raw.decode("utf-8-sig", "ignore")
        )
    except UnicodeDecodeError as error:
        return Loaded(None, (_not_utf8(file, raw, error),))
    return parse_spec(text, file, variables=variables, env=env, models=models)


def _not_utf8(file: str, raw: bytes, error: UnicodeDecodeError) -> Diagnostic:
    # utf-8-sig counts from after the mark
    start = error.start + (3 if raw.startswith(b"\xef\xbb\xbf") else 0)
    before = raw[:start]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    hint = "save the file as UTF-8"
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        hint = "this looks like UTF-16; save the file as UTF-8"
    message = f"byte 0x{raw[start]:02x} is not UTF-8"
    return Diagnostic(
        "MMC102",
        message,
        span=Span(file=file, line=line, column=column, end_column=column + 1),
        hint=hint,
    )


def parse_spec(
    text: str,
    file: str = "<spec>",
    *,
    variables: Mapping[str, str] = _NOTHING,
    env: Mapping[str, str] | None = None,
    models: Models,
) -> Loaded:
    """As `load_spec`, from a text. `file` names it in diagnostics."""
    document = parse(text, file)
    if document.fatal:
        return Loaded(None, document.diagnostics)
    rendered = render(document, variables, os.environ if env is None else env)
    check = _Check(document, rendered, models)
    spec = check.run()
    found = [*document.diagnostics, *rendered.diagnostics, *map(check.place, check.found)]
    diagnostics = _finish(_leveled(found, check.levels), check.secrets)
    return Loaded(None if any(d.is_error for d in diagnostics) else spec, _bounded(diagnostics))


def _leveled(diagnostics: Iterable[Diagnostic], levels: Mapping[str, str]) -> Iterator[Diagnostic]:
    """With the severities that the spec's `lint` asks for; errors stay errors."""
    for diagnostic in diagnostics:
        level = levels.get(diagnostic.code, "") if not diagnostic.is_error else ""
        if level != "off":
            yield replace(diagnostic, severity=Severity(level)) if level else diagnostic


def _finish(diagnostics: Iterable[Diagnostic], secret_lines: set[int]) -> tuple[Diagnostic, ...]:
    """Sorted by place, each once, and without the text of lines that hold a secret."""
    shown = dict.fromkeys(
        replace(d, span=replace(d.span, text="")) if d.span and d.span.line in secret_lines else d
        for d in diagnostics
    )
    return tuple(
        sorted(shown, key=lambda d: (d.span.line, d.span.column) if d.span else (1 << 40, 0))
    )


def _bounded(diagnostics: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """As many as a person reads, errors before others, and how many there are more."""
    if len(diagnostics) <= MAX_SHOWN:
        return diagnostics
    places = sorted(range(len(diagnostics)), key=lambda at: not diagnostics[at].is_error)
    kept = [diagnostics[at] for at in sorted(places[:MAX_SHOWN])]
    left = [diagnostics[at] for at in places[MAX_SHOWN:]]
    errors = sum(1 for diagnostic in left if diagnostic.is_error)
    more = Diagnostic(
        "MMC595",
        f"at least {len(left):,} more problems, {errors:,} of them errors",
        severity=Severity.ERROR if errors else Severity.NOTE,
        hint="mend those above, and check again",
    )
    return (*kept, more)


def _with_parents(paths: Iterable[Path]) -> frozenset[Path]:
    """The paths and all above them."""
    return frozenset(path[:length] for path in paths for length in range(len(path) + 1))


class _Check:
    """The steps after rendering, over one document."""

    def __init__(self, document: Document, rendered: Rendered, models: Models) -> None:
        self.document = document
        self.rendered = rendered
        self.models = models
        self.broken = set(document.broken | rendered.broken)
        self.culprits = list(self.broken)
        self.found: list[Finding] = []
        self.secrets: set[int] = set()
        self.levels: Mapping[str, str] = {}

    def run(self) -> Spec | None:
        data = self.rendered.data
        assert isinstance(data, dict)
        self.take(credentials.check(self.rendered))
        sources, targets = self.options(data, "source"), self.options(data, "target")
        self.take(structure.check(data, strict(sources, targets)))
        if len(self.found) >= structure.MOST:
            return None
        pruned = structure.prune(data, sorted(self.culprits, key=len, reverse=True))
        assert isinstance(pruned, dict)
        model = self.build(SpecModel, {"version": 1, **pruned, "source": None, "target": None}, ())
        source = self.endpoint(pruned, "source", dict(sources))
        target = self.endpoint(pruned, "target", dict(targets))
        if not isinstance(model, SpecModel):
            return None
        self.levels = model.lint
        draft = Draft(
            model=model,
            source=source,
            target=target,
            broken=_with_parents(self.broken),
            models=self.models,
        )
        self.take([finding for check in CHECKS for finding in check(draft)])
        if source is None or target is None or self.failed():
            return None
        model = model.model_copy(update={"source": source, "target": target})
        body = model.model_dump(mode="json", by_alias=True, exclude={"vars"})
        if "name" not in model.model_fields_set:
            model = model.model_copy(update={"name": _stem(self.document.file)})
        return Spec(
            model=model,
            source=_endpoint(source),
            target=_endpoint(target),
            digest=codec.digest(body),
            file=self.document.file,
            spans=MappingProxyType(dict(self.document.values)),
            key_spans=MappingProxyType(dict(self.document.keys)),
        )

    def failed(self) -> bool:
        return bool(self.broken) or any(
            finding.severity is Severity.ERROR for finding in self.found
        )

    def take(self, findings: Iterable[Finding]) -> None:
        """Keeps what is news: nothing at or below a part that was refused before."""
        news = [finding for finding in findings if not self.known(finding)]
        self.found += news
        for finding in news:
            if finding.severity is Severity.ERROR:
                culprit = finding.path if finding.culprit is None else finding.culprit
                self.broken.add(culprit)
                self.culprits.append(culprit)
            if finding.secret and (span := self.document.span(finding.path)):
                self.secrets.add(span.line)

    def known(self, finding: Finding) -> bool:
        # what is said about a key, or a secret, holds whatever became of the value
        path = finding.path
        own = finding.secret or (finding.key and finding.culprit == path)
        return any(path[:length] in self.broken for length in range(len(path) + (not own)))

    def options(
        self, data: Mapping[str, JsonValue], kind: Kind
    ) -> tuple[tuple[str, type[Options] | None], ...]:
        """The types that are installed; the model only of that which this spec names."""
        said = data.get(kind)
        type_ = said.get("type") if isinstance(said, dict) else None
        known = dict.fromkeys(self.models.types(kind), None)
        found = None
        if isinstance(type_, str):
            try:
                found = self.models.model(kind, type_)
            except PluginMissing as error:
                message = f"{kind} type `{type_[:60]}`: {error}"
                self.take([Finding("MMC207", message, path=(kind, "type"), hint=error.hint)])
        return tuple((name, found if name == type_ else None) for name in known)

    def endpoint(
        self, data: Mapping[str, JsonValue], kind: str, models: Mapping[str, type[Options] | None]
    ) -> Options | None:
        said = data.get(kind)
        model = models.get(str(said.get("type"))) if isinstance(said, dict) else None
        built = self.build(model, said, (kind,)) if model else None
        return built if isinstance(built, Options) else None

    def build(self, model: type[BaseModel], data: Any, path: Path) -> BaseModel | None:
        """The model, or None; its errors are news only when the schema let the data pass."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            if any(broken[: len(path)] == path for broken in self.broken):
                return None
            self.take(
                Finding("MMC209", f"`{show((*path, *where))}`: {problem}", path=(*path, *where))
                for where, problem in _problems(error, data)
            )
            return None

    def place(self, finding: Finding) -> Diagnostic:
        span = self.document.span(finding.path, key=finding.key)
        if finding.secret and span:
            span = replace(span, text="")
        return Diagnostic(
            finding.code,
            finding.message,
            severity=finding.severity,
            span=span,
            label=finding.label,
            hint=finding.hint,
            path=show(finding.path),
        )


def _problems(error: ValidationError, data: Any) -> list[tuple[Path, str]]:
    """Places and words of pydantic's errors. Its `loc` also names union branches: only what is in
    the data counts.
    """
    problems: dict[Path, str] = {}
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        here, place = data, []
        for part in item["loc"]:
            try:
                here = here[part]
            except (KeyError, IndexError, TypeError):
                continue
            place.append(part)
        problems.setdefault(tuple(place), item["msg"][:1].lower() + item["msg"][1:])
    return list(problems.items())


def _endpoint(model: BaseModel) -> Endpoint:
    config: dict[str, JsonValue] = model.model_dump(mode="json", by_alias=True)
    return Endpoint(str(config.pop("type")), tuple(sorted(config.items())))


def _stem(file: str) -> str:
    """A name for a spec that says none: its file's."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", FilePath(file).stem).lstrip("_.-")[:100]
    return "migration" if not name or file.startswith("<") else name
