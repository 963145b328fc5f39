"""A name -> the files of a new plug-in. Knows no plug-in that is there; writes nothing outside its
folder.

A template is a file that ends in `.tmpl` below `source/`, `sink/` or `both/`; its path is that of
the file. `@name@`, `@Name@`, `@NAME@`, `@package@` and the like stand for the name in each form.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from mmc.errors import MmcError
from mmc.saving import save_text
from mmc.spi import VERSION
from mmc.version import DISTRIBUTION

PluginKind = Literal["source", "sink"]

_TEMPLATES = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9]{1,30}")


def new_plugin(name: str, kind: PluginKind, folder: Path) -> tuple[Path, ...]:
    """Writes the package `mmc-<name>` into a new folder.

    Args:
        name: type of the plug-in in a spec.

    Returns:
        The files, sorted.

    Raises:
        MmcError: the name is none (MMC665), the folder is there already (MMC665), or it cannot be
            written (MMC663).
    """
    if not _NAME.fullmatch(name):
        raise MmcError(
            f"{name!r} cannot be the type of a plug-in",
            hint="take 2 to 31 small letters and digits, a letter first, such as `notes`",
            code="MMC665",
        )
    if folder.exists():
        raise MmcError(
            f"{folder} is there already", hint="name another folder with --into", code="MMC665"
        )
    return tuple(_written(name, kind, folder))


def _written(name: str, kind: PluginKind, folder: Path) -> list[Path]:
    words = {
        "name": name,
        "Name": name.capitalize(),
        "NAME": name.upper(),
        "package": f"mmc_{name}",
        "distribution": f"mmc-{name}",
        "mmc": DISTRIBUTION,
        "kind": kind,
        "spi": str(VERSION),
    }
    files = []
    for part in ("both", kind):
        for template in sorted((_TEMPLATES / part).rglob("*.tmpl")):
            path = folder / _filled(str(template.relative_to(_TEMPLATES / part))[:-5], words)
            save_text(path, _filled(template.read_text(encoding="utf-8"), words))
            files.append(path)
    return sorted(files)


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub(r"@(\w+)@", lambda found: words[found[1]], text)
