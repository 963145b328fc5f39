"""`mmc schema`: JSON Schema for editors and CI."""

from __future__ import annotations

from pathlib import Path

import click

from mmc import api
from mmc.cli.options import framed, output_options
from mmc.saving import save_text
from mmc.views.out import Out, Output


@click.command()
@click.argument("what", type=click.Choice(["spec", "plan"]), default="spec")
@click.option(
    "-o",
    "--out",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the schema here.",
)
@output_options
def command(what: str, target: Path | None, output: Output) -> int:
    """Print the JSON Schema of specs (default) or of plan files."""

    def body(out: Out) -> int:
        text = api.spec_schema() if what == "spec" else api.plan_schema()
        if target is None:
            out.document(text)
        else:
            save_text(target, text)
            out.line(f"Saved {target}.")
        return 0

    return framed("schema", output, body)
