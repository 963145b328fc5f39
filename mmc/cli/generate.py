"""`python -m mmc.cli.generate`: rewrites the files of schemas/, for `make generate`."""

from __future__ import annotations

from pathlib import Path

from mmc import registry
from mmc.plan.codec import plan_schema
from mmc.spec import schema
from mmc.spec.options import Kind, Options

PACKAGE = "mmc"


class BuiltIn:
    """The options of the plug-ins that mmc itself brings: what others are installed does not change
    the files.
    """

    def types(self, kind: Kind) -> tuple[str, ...]:
        """The types of this package, sorted."""
        which = "source" if kind == "source" else "sink"
        return tuple(
            sorted(
                {
                    plugin.name.partition(".")[0]
                    for plugin in registry.installed()
                    if (plugin.kind, plugin.package) == (which, PACKAGE)
                }
            )
        )

    def model(self, kind: Kind, name: str) -> type[Options] | None:
        """The model that is installed under this name."""
        return registry.MODELS.model(kind, name)


def main(folder: Path = Path("schemas")) -> None:
    """Writes both schemas into a folder."""
    folder.mkdir(exist_ok=True)
    for name, made in (("mmc", schema.of_installed(BuiltIn())), ("plan", plan_schema())):
        (folder / f"{name}-v1.schema.json").write_text(schema.text(made), encoding="utf-8")


if __name__ == "__main__":
    main()
