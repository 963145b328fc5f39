"""Names of files that are not UTF-8: systems allow any bytes, plans and reports are UTF-8 text.
Python holds such a byte as half of a surrogate pair.
"""

from __future__ import annotations

import re

from mmc.errors import SourceError

_BYTE = re.compile("[\udc80-\udcff]")


def is_text(name: str) -> bool:
    """Whether a name, as the system gave it, can be written as UTF-8."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def as_text(name: str) -> str:
    r"""The name with each byte that is not UTF-8 as `\xe9`."""
    shown = _BYTE.sub(lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", name)
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def refuse_bytes(name: str) -> None:
    """Raises SourceError where the name of a file, or of a folder above it, is not UTF-8."""
    if not is_text(name):
        raise SourceError(
            f"{as_text(name)}: this name is not UTF-8",
            hint="rename the file, or the folder that it is in: plans and reports are UTF-8 text",
            code="MMC431",
        )
