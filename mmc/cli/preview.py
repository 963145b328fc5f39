"""`mmc preview`: the first rows through the casts, into a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from mmc import api
from mmc.cli.options import framed, output_options, report, spec_options
from mmc.cli.plan import compile_spec
from mmc.views.out import Out, Output


@click.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-n",
    "--rows",
    type=click.IntRange(1, 10_000),
    default=10,
    show_default=True,
    help="How many rows.",
)
@spec_options
@output_options
def command(
    spec: Path, rows: int, variables: Mapping[str, str], env: Mapping[str, str], output: Output
) -> int:
    """Show the first rows of SPEC's collections as they would arrive. Writes nothing."""

    def body(out: Out) -> int:
        from mmc.views.table import table_text

        compiled = compile_spec(spec, variables, env, emit=out, as_new=True)
        report(out, compiled.diagnostics)
        for name, table in api.preview(compiled.plan, rows):
            out.document(table_text(name, table, as_json=out.json))
        return 0

    return framed("preview", output, body)
