"""Diagnostic codes of the `files` target: code -> title. See docs/codes/."""

from __future__ import annotations

CODES = {
    "MMC530": "collection in the folder already",
    "MMC531": "mode has no meaning for files",
    "MMC715": "file that the manifest does not record",
}
