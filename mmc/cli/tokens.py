"""`mmc tokens`: the table that numbers the tokens of sparse vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from mmc import api
from mmc.cli.options import framed, output_options, spec_options, want_spec
from mmc.views.out import Out, Output


@click.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--out",
    "target",
    required=True,
    type=click.Path(dir_okay=False),
    help="The table, made or extended.",
)
@spec_options
@output_options
def command(
    spec: Path,
    target: str,
    variables: Mapping[str, str],
    env: Mapping[str, str],
    output: Output,
) -> int:
    """Read every document of a spec's source for the tokens of its sparse vectors, and number them.

    Tokens that the table has keep their numbers: made again when there are new documents, it fits
    what was migrated with it before.
    """

    def body(out: Out) -> int:
        from mmc.views.tokens import numbered_text

        loaded = api.load_spec(want_spec(spec), variables=variables, env=env)
        done = api.number_tokens(loaded, target, emit=out)
        out.document(numbered_text(done, target, as_json=out.json))
        if not done.named:
            out.line(f"To migrate with it, say  source.tokens: {target}")
        return 0

    return framed("tokens", output, body)
