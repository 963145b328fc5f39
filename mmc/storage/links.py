"""Symbolic links below a folder that mmc writes to and removes from: what they lead to is not part
of that folder, and stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from mmc.errors import TargetError
from mmc.storage.filesystems import is_local, local_path


def refuse_links(root: str, paths: Iterable[str]) -> None:
    """Refuses folders below `root` that are symbolic links. `root` itself may be one: the person
    who names it says where files go. So may the last part of a path that is a file: writing and
    removing a name do not follow it.

    Args:
        paths: of folders, relative to `root`, joined by `/`.

    Raises:
        TargetError: one of them, or a folder above it, is a link (MMC577).
    """
    if not is_local(root):
        return
    top = local_path(root)
    for path in sorted(set(paths)):
        folder = top
        for part in path.split("/"):
            folder /= part
            if folder.is_symlink():
                raise TargetError(
                    f"{folder} is a symbolic link to {folder.readlink()}; mmc writes and removes"
                    " files only in folders of its own",
                    hint="remove the link; to have the files elsewhere, give that folder as"
                    " target.url or load.staging.url",
                    code="MMC577",
                )
