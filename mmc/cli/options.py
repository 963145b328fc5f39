"""Flags that several commands share, as typed values, and the frame every command runs in."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from mmc.diagnostics import Diagnostic
from mmc.errors import MmcError, SpecInvalid, Stopped
from mmc.events import Diagnosed, Failed, Started, failure
from mmc.paths import DEFAULT_STATE
from mmc.views.out import Out, Output, open_out

EXIT_PIPE = 141
"""What the shell says of a program that SIGPIPE ended."""

F = TypeVar("F", bound=Callable[..., Any])


def output_options(command: F) -> F:
    """--json, --json-into, --color, --no-color, -q, -v; gives the command an `output: Output`."""

    @click.option("--json", "json_", is_flag=True, help="Every event as NDJSON on stdout.")
    @click.option(
        "--json-into", type=click.Path(dir_okay=False, path_type=Path), help="NDJSON into a file."
    )
    @click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        help="auto: on a terminal, unless NO_COLOR says otherwise.",
    )
    @click.option("--no-color", is_flag=True, help="Same as --color never.")
    @click.option("-q", "--quiet", is_flag=True, help="Summary and diagnostics only.")
    @click.option("-v", "--verbose", is_flag=True, help="Every field and split.")
    @functools.wraps(command)
    def wrapped(
        *args: Any,
        json_: bool,
        json_into: Path | None,
        color: str,
        no_color: bool,
        quiet: bool,
        verbose: bool,
        **kwargs: Any,
    ) -> Any:
        output = Output(
            json=json_,
            json_into=json_into,
            color="never" if no_color else color,
            quiet=quiet,
            verbose=verbose,
        )
        return command(*args, output=output, **kwargs)

    return wrapped  # type: ignore[return-value]


def spec_options(command: F) -> F:
    """--var and --env-file; gives the command `variables` and `env`."""

    @click.option("--var", "var", multiple=True, metavar="K=V", help="Value for {{ vars.K }}.")
    @click.option(
        "--env-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="NAME=VALUE lines for {{ env.NAME }} and env: secrets.",
    )
    @functools.wraps(command)
    def wrapped(*args: Any, var: tuple[str, ...], env_file: Path | None, **kwargs: Any) -> Any:
        pairs = [text.partition("=") for text in var]
        for text, (name, equals, _) in zip(var, pairs, strict=True):
            if not equals or not name:
                raise click.BadParameter(f"`{text}` is not K=V", param_hint="--var")
        variables = {name: value for name, _, value in pairs}
        return command(*args, variables=variables, env=_environment(env_file), **kwargs)

    return wrapped  # type: ignore[return-value]


FORMATS = ["full", "concise", "json", "github", "sarif", "junit", "markdown"]


def format_option(command: F) -> F:
    """--format; gives the command `format_`."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        default="full",
        help="For people, grep, programs, annotations, code scanning, CI, pull requests.",
    )(command)


def state_option(command: F) -> F:
    """--state; gives the command `state`, an SQLAlchemy URL."""
    return click.option(
        "--state",
        envvar="MMC_STATE",
        default=DEFAULT_STATE,
        show_default=True,
        metavar="URL",
        help="Where runs are recorded.",
    )(command)


def _environment(env_file: Path | None) -> Mapping[str, str]:
    """The process's environment, with the file's lines added (they do not override it): secrets are
    looked up there, by worker processes too.
    """
    if env_file is not None:
        from dotenv.parser import parse_stream

        try:
            with env_file.open(encoding="utf-8") as stream:
                lines = list(parse_stream(stream))
        except UnicodeDecodeError:
            raise click.BadParameter(f"{env_file} is not UTF-8", param_hint="--env-file") from None
        for line in lines:
            if line.error or (line.key is not None and line.value is None):
                # The text is not repeated: it may be a secret.
                raise click.BadParameter(
                    f"{env_file}:{line.original.line} is not NAME=VALUE", param_hint="--env-file"
                )
            if line.key and line.value is not None:
                os.environ.setdefault(line.key, line.value)
    return dict(os.environ)


def report(out: Out, diagnostics: tuple[Diagnostic, ...]) -> None:
    for diagnostic in diagnostics:
        out(Diagnosed(diagnostic))


def framed(name: str, output: Output, body: Callable[[Out], int]) -> int:
    """Runs a command's body: first event, errors as events, exit code.

    Args:
        name: of the command.
        output: what the flags ask for.
        body: gets the views, returns the exit code.
    """
    from mmc.version import __version__

    with open_out(output) as out:
        try:
            out(Started(name, __version__))
            return body(out)
        except SpecInvalid as error:
            report(out, error.diagnostics)
            out(failed(error))
            return error.exit_code
        except Stopped as error:
            out(failure(error))
            return 128 + error.signal_number
        except MmcError as error:
            out(failure(error))
            return error.exit_code
        except BrokenPipeError:
            # The reader went away (`mmc show | head`): nothing to complain about, now or when
            # Python flushes at its end; but what was to be done may not be done.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_PIPE
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            out(failure(error, f"{place}{error.strerror or error}"))
            return 1


def failed(error: SpecInvalid) -> Failed:
    """The last event of a command that found errors: how many."""
    number = sum(1 for diagnostic in error.diagnostics if diagnostic.is_error)
    return failure(error, f"{number} error" + ("s" if number != 1 else ""))


def is_plan(file: Path) -> bool:
    """Whether a file is a plan that mmc saved, by its beginning."""
    with file.open("rb") as stream:
        head = stream.read(256)
    return head.lstrip().startswith(b"{") and b'"mmc-plan"' in head


def want_plan(file: Path) -> Path:
    """The file, when it is not a spec. Raises MmcError."""
    if file.suffix in (".yaml", ".yml"):
        saved = file.with_suffix(".plan.json").name
        raise MmcError(
            f"{file} is a spec; this command takes a plan",
            hint=f"make one:  mmc plan {file} -o {saved}",
        )
    return file


def want_spec(file: Path) -> Path:
    """The file, when it is not a plan. Raises MmcError."""
    if is_plan(file):
        raise MmcError(
            f"{file} is a plan; this command takes a spec",
            hint=f"to see it:  mmc show {file}    to do it:  mmc apply {file}",
        )
    return file
