"""`mmc export-meta`: the metadata of a Milvus 1.x server into a file, for where the database is out
of reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from mmc import api
from mmc.cli.options import framed, output_options, report, spec_options
from mmc.saving import save_text
from mmc.secrets import SecretRef
from mmc.views.out import Out, Output


def _reference(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> SecretRef | None:
    try:
        return None if value is None else SecretRef.parse(value)
    except ValueError:
        # The value is not repeated: it may be the password itself.
        raise click.BadParameter("not a reference: give env:NAME or file:/path") from None


@click.command()
@click.argument("meta")
@click.option(
    "-o",
    "--out",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the metadata here.",
)
@click.option(
    "--password",
    metavar="env:NAME",
    callback=_reference,
    help="Where the password of the database is: env:NAME or file:/path.",
)
@spec_options
@output_options
def command(
    meta: str,
    target: Path | None,
    password: SecretRef | None,
    variables: Mapping[str, str],
    env: Mapping[str, str],
    output: Output,
) -> int:
    """Save the metadata of a Milvus 1.x server, as JSON on stdout or into a file.

    META is a spec whose source is `milvus1`, or what its `meta` would say: a meta.sqlite, or
    mysql+pymysql://user@host:3306/database.
    """

    def body(out: Out) -> int:
        from mmc.views.meta import held_text

        spec = meta.endswith((".yaml", ".yml"))
        place = api.load_spec(meta, variables=variables, env=env) if spec else meta
        export = api.export_meta(place, password=password)
        report(out, tuple(export.problems))
        if target is None:
            out.document(export.text)
        else:
            save_text(target, export.text)
            out.document(held_text(export.held, as_json=out.json))
            out.line(f"Saved {target}. To migrate with it, say  meta: {target}")
        return 1 if any(problem.is_error for problem in export.problems) else 0

    return framed("export-meta", output, body)
