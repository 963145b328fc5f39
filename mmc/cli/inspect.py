"""`mmc inspect`: Facts is where it stops."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from mmc import api
from mmc.cli.options import framed, output_options, spec_options, want_spec
from mmc.plan import codec
from mmc.saving import save_text
from mmc.views.out import Out, Output


@click.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--out",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the facts here.",
)
@spec_options
@output_options
def command(
    spec: Path,
    target: Path | None,
    variables: Mapping[str, str],
    env: Mapping[str, str],
    output: Output,
) -> int:
    """Look at both ends of SPEC, without writing; the facts as JSON on stdout or into a file."""

    def body(out: Out) -> int:
        loaded = api.load_spec(want_spec(spec), variables=variables, env=env)
        facts = api.inspect(loaded, emit=out)
        text = codec.write_facts(facts)
        if target is None:
            out.document(text)
        else:
            save_text(target, text)
            out.line(f"Saved {target}. To plan with it, offline:  mmc plan {spec} --facts {target}")
        return 0

    return framed("inspect", output, body)
