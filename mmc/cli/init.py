"""`mmc init`: a source that is there becomes a commented spec."""

from __future__ import annotations

from pathlib import Path

import click

from mmc import api
from mmc.cli.options import framed, output_options, report
from mmc.errors import MmcError
from mmc.saving import save_text
from mmc.views.out import Out, Output


@click.command()
@click.option(
    "--from", "location", required=True, metavar="URL", help="The source: address, file or folder."
)
@click.option(
    "--to", "target", default="", metavar="URI", help="Milvus, a path.db (default), or a folder."
)
@click.option("--type", "type_", default="", metavar="NAME", help="Of the source: `mmc plugins`.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="K=V",
    help="Set a key of the spec: source.auth.api_key=env:ES_API_KEY.",
)
@click.option(
    "-o",
    "--out",
    "file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write the spec here; without it, or -, to stdout.",
)
@click.option("--force", is_flag=True, help="Replace the file when it is there.")
@output_options
def command(
    location: str,
    target: str,
    type_: str,
    settings: tuple[str, ...],
    file: Path | None,
    force: bool,
    output: Output,
) -> int:
    """Look at a source and write a spec: each guess with its evidence beside it."""
    pairs = [text.partition("=") for text in settings]
    for key, equals, _ in pairs:
        if not equals or not key:
            # The text is not repeated: it may be a secret.
            raise click.BadParameter("give a key and a value: K=V", param_hint="--set")
    given = [(key, value) for key, _, value in pairs]
    saved = None if file == Path("-") else file

    def body(out: Out) -> int:
        if saved is not None and saved.exists() and not force:
            raise MmcError(f"{saved} is there already", hint="--force replaces it")
        name = str(saved or "<spec>")
        made = api.init_spec(
            location, type=type_, target=target, settings=given, file=name, emit=out
        )
        report(out, made.diagnostics)
        if saved is None:
            out.document(made.text)
        else:
            save_text(saved, made.text)
            out.line(f"Saved {saved}. Read it, then:  mmc plan {saved}")
        return 1 if any(found.is_error for found in made.diagnostics) else 0

    return framed("init", output, body)
