"""`python -m mmc.cli.generate`: rewrites the files of schemas/, for `make generate`."""

from __future__ import annotations

from pathlib import Path

from mmc import api


def main(folder: Path = Path("schemas")) -> None:
    """Writes both schemas into a folder."""
    folder.mkdir(exist_ok=True)
    for name, text in (("mmc", api.spec_schema(built_in=True)), ("plan", api.plan_schema())):
        (folder / f"{name}-v1.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
