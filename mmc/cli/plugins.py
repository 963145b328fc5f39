"""`mmc plugins [new]`: installed sources and sinks, and a package for one of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from mmc import api
from mmc.cli.options import framed, output_options
from mmc.views.out import Out, Output


@click.group(invoke_without_command=True)
@output_options
@click.pass_context
def command(ctx: click.Context, output: Output) -> int | None:
    """List the sources and sinks that are installed, or begin one of your own."""
    if ctx.invoked_subcommand is not None:
        return None

    def body(out: Out) -> int:
        from mmc.views.plugins import plugins_text

        out.document(plugins_text(api.plugins(), as_json=out.json))
        return 0

    return framed("plugins", output, body)


@command.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["source", "sink"]),
    default="source",
    help="What rows come from, or what they go to.",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of the package. Default: mmc-NAME.",
)
@output_options
def new(name: str, kind: Literal["source", "sink"], into: Path | None, output: Output) -> int:
    """Write a package with a plug-in of type NAME that passes its tests."""

    def body(out: Out) -> int:
        from mmc.views.plugins import new_plugin_text

        files = api.new_plugin(name, kind, into=into or "")
        out.document(new_plugin_text(files, as_json=out.json))
        return 0

    return framed("plugins new", output, body)
