"""Plug-ins that are registered as an installed package registers them, for the time of a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

FAKES: Mapping[str, Mapping[str, str]] = {
    "mmc.sources": {"kit": "mmc.testing.fakes.source:KitSource"},
    "mmc.sinks": {"kit.insert": "mmc.testing.fakes.target:KitSink"},
    "mmc.options": {
        "source.kit": "mmc.testing.fakes.options:KitSourceOptions",
        "target.kit": "mmc.testing.fakes.options:KitTargetOptions",
    },
}
"""Entry points of the fake source and the fake target, both of type `kit`."""


@contextmanager
def installed(
    folder: Path, entry_points: Mapping[str, Mapping[str, str]], name: str = "mmc-guest"
) -> Iterator[None]:
    """Registers plug-ins in this process and in the processes that mmc starts from it.

    Args:
        folder: is made, and gets the metadata of a package.
        entry_points: by group and name, such as `{"mmc.sources": {"notes": "notes:Notes"}}`.
    """
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [
        line
        for group, points in entry_points.items()
        for line in (f"[{group}]", *(f"{key} = {place}" for key, place in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]))
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
