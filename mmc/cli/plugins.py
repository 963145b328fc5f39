"""`mmc plugins`: installed sources and sinks."""

from __future__ import annotations

import click

from mmc import api
from mmc.cli.options import framed, output_options
from mmc.views.out import Out, Output


@click.command()
@output_options
def command(output: Output) -> int:
    """List the sources and sinks that are installed."""

    def body(out: Out) -> int:
        from mmc.views.plugins import plugins_text

        out.document(plugins_text(api.plugins(), as_json=out.json))
        return 0

    return framed("plugins", output, body)
