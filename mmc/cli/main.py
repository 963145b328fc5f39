"""`mmc`: a lazy group of commands, and the one place that turns errors into exit codes.

Commands parse flags into typed values, call `mmc.api`, and hand events to `mmc.views`; they print
nothing themselves.
"""

from __future__ import annotations

import atexit
import gc
import logging
import signal
import sys
import traceback
from importlib import import_module
from io import TextIOWrapper
from types import TracebackType

import click

from mmc.arrow import lazypandas
from mmc.secrets import REDACTOR, RedactingFilter

COMMANDS = {
    "apply": "Do what a plan says; applied again, continue.",
    "clean": "Remove the staged files of a run.",
    "diff": "Compare two plans.",
    "export-meta": "Save the metadata of a Milvus 1.x server as a file.",
    "fmt": "Rewrite specs in canonical form.",
    "init": "Look at a source, and write a spec for it.",
    "inspect": "Show what is seen at both ends, as JSON.",
    "plan": "Compile a spec into a plan, show it, save it.",
    "plugins": "List the installed sources and sinks, or begin one of your own.",
    "preview": "Show the first rows as they would arrive.",
    "schema": "Print the JSON Schema of specs or plans.",
    "show": "Show a saved plan.",
    "state": "List, show, unlock or forget runs.",
    "status": "Show how far a run is.",
    "tokens": "Number the tokens of sparse vectors, in a file.",
    "validate": "Check specs without any network.",
    "verify": "Prove again that everything of a plan arrived.",
    "version": "Print the version.",
}
"""Name -> help. Each command lives in the module of its name and is imported when it is called."""

EXIT_USAGE = 64


class LazyGroup(click.Group):
    """Lists commands from COMMANDS and imports one when it is needed, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"mmc.cli.{cmd_name.replace('-', '_')}")
        command = module.command
        assert isinstance(command, click.Command)
        _read_environment(command, f"MMC_{cmd_name.replace('-', '_').upper()}")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from mmc.types import nearest

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = nearest(args[0], list(COMMANDS))
            ctx.fail(f"no command `{args[0]}`" + (f"; did you mean `{close}`?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """`mmc --version` is `mmc version`."""
    if wanted:
        from mmc.cli.version import command

        ctx.exit(ctx.invoke(command))


def _read_environment(command: click.Command, prefix: str) -> None:
    """Every long flag can be set by `MMC_<COMMAND>_<FLAG>`. (click's own way goes by the names of
    Python parameters, which nobody sees.)
    """
    for option in command.params:
        if isinstance(option, click.Option):
            flag = next(text for text in option.opts if text.startswith("--"))
            option.envvar = f"{prefix}_{flag.lstrip('-').replace('-', '_').upper()}"
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            _read_environment(below, f"{prefix}_{name.upper()}")


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 done or nothing to do; 1 error; 2 something to do (--detailed-exitcode);"
        " 3 applied in part; 4 stale plan; 5 lease held by another; 6 a person said no; 64 usage;"
        " 130, 143 stopped by a signal."
    ),
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Same as `mmc version`.",
)
def cli() -> None:
    """Milvus migration compiler: plan a migration into Milvus, apply it, prove it."""


def main(args: list[str] | None = None) -> None:
    """Entry point of the `mmc` script: runs a command and exits with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Names and texts of users reach terminals that cannot show them.
            stream.reconfigure(errors="backslashreplace")
    # Importing makes some 100,000 objects that live on; looking through them again and again for
    # garbage took 0.3 s of an apply.
    gc.set_threshold(50_000, 20, 50)
    atexit.register(_leave_all)
    lazypandas.install()
    redact_logs()
    sys.excepthook = _show_bug
    sys.exit(run(args))


def redact_logs() -> None:
    """What libraries log goes to stderr from warnings on: without secrets."""
    if logging.lastResort is not None:
        logging.lastResort.addFilter(RedactingFilter())


def _leave_all() -> None:
    """Python takes all objects apart one by one when it ends: a fifth of a plan. duckdb 2.0.0
    counts its own at the end, and prints those that are left.
    """
    if "duckdb" not in sys.modules:
        gc.freeze()


def _show_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What a library raises may quote what it was given, and that may be a secret."""
    sys.stderr.write(REDACTOR.clean("".join(traceback.format_exception(kind, error, trace))))


def run(args: list[str] | None = None) -> int:
    """Runs a command and returns its exit code."""
    try:
        code = cli.main(args=args, prog_name="mmc", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return EXIT_USAGE
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 1
    except MemoryError:
        click.echo("error: there is not enough memory", err=True)
        click.echo("  = hint: raise `ulimit -v`, or give load.workers: 1 in the spec", err=True)
        return 1
    except (click.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
