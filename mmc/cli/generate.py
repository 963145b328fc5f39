"""`python -m mmc.cli.generate`: rewrites the files of schemas/, and the tables of options in docs/.
`make generate` calls it.
"""

from __future__ import annotations

import re
from pathlib import Path

from mmc import api

TABLE = re.compile(
    r"(<!-- options: (?P<kind>source|target) (?P<name>\w+) -->\n).*?(?=<!-- end of options -->)",
    re.DOTALL,
)


def main(root: Path = Path()) -> None:
    """Rewrites them below `root`."""
    folder = root / "schemas"
    folder.mkdir(exist_ok=True)
    schemas = (("mmc-v1", api.spec_schema(built_in=True)), ("plan-v2", api.plan_schema()))
    for name, text in schemas:
        (folder / f"{name}.schema.json").write_text(text, encoding="utf-8")
    for page in sorted((root / "docs").rglob("*.md")):
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


def with_tables(page: str) -> str:
    """A page of Markdown with its tables of options as they are now."""
    return TABLE.sub(lambda found: found[1] + _table(found["kind"], found["name"]), page)


def _table(kind: str, name: str) -> str:
    return api.option_table("source" if kind == "source" else "target", name)


if __name__ == "__main__":
    main()
