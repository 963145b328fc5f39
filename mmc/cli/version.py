"""`mmc version`."""

from __future__ import annotations

import platform

import click

from mmc.cli.options import framed, output_options
from mmc.version import __version__
from mmc.views.out import Out, Output


@click.command()
@output_options
def command(output: Output) -> int:
    """Print the version; with --json, as the `started` event."""

    def body(out: Out) -> int:
        out.line(f"mmc {__version__} (Python {platform.python_version()})")
        return 0

    return framed("version", output, body)
