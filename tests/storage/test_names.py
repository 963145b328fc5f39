"""Names of files and folders that are not UTF-8: refused with the name where a plan would hold it,
else taken as they are.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc.errors import SourceError, StateError
from mmc.state.store import Store
from mmc.storage.listing import find_files
from mmc.storage.names import as_text, is_text
from tests.e2e.mmc_command import mmc

BYTES = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    ("name", "shown", "text"),
    [
        ("a", "a", True),
        ("caf\u00e9 \U0001d11e", "caf\u00e9 \U0001d11e", True),
        (BYTES, r"caf\xe9", False),
        ("\u00e9/" + BYTES, "\u00e9/" + r"caf\xe9", False),
        ("\ud800", r"\ud800", False),
    ],
)
def test_names(name: str, shown: str, text: bool) -> None:
    assert is_text(name) is text
    assert as_text(name) == shown


@pytest.mark.parametrize("pattern", ["", "*", "**/*.parquet", "*/*.parquet", BYTES])
def test_a_source_of_such_files_is_refused(tmp_path: Path, pattern: str) -> None:
    (tmp_path / BYTES).mkdir()
    (tmp_path / BYTES / "a.parquet").touch()
    with pytest.raises(SourceError, match=r"caf\\xe9/a\.parquet: this name is not UTF-8") as caught:
        find_files(str(tmp_path / pattern) if pattern else str(tmp_path), {})
    assert caught.value.code == "MMC431" and "rename" in caught.value.hint


def test_a_state_store_of_such_a_name(tmp_path: Path) -> None:
    with (
        pytest.raises(StateError, match="not UTF-8"),
        Store.open(f"sqlite:///{tmp_path}/{BYTES}/state.db"),
    ):
        pass


def test_commands_in_a_folder_of_such_a_name(tmp_path: Path) -> None:
    """Relative names are enough for a whole migration there, and all files may have such a name."""
    folder = tmp_path / BYTES
    folder.mkdir()
    pq.write_table(pa.table({"id": [1, 2], "n": [3, 4]}), str(tmp_path / "rows.parquet"))
    spec = {
        "version": 1,
        "source": {"type": "files", "path": "../rows.parquet"},
        "target": {"type": "files", "url": "out"},
    }
    (folder / f"{BYTES}.yaml").write_text(json.dumps(spec))
    mmc(folder, "plan", f"{BYTES}.yaml", "-o", f"{BYTES}.json")
    mmc(folder, "apply", f"{BYTES}.json", "--report", f"{BYTES}.md")
    mmc(folder, "verify", f"{BYTES}.json", env={"LC_ALL": "C"})
    assert "applied" in mmc(folder, "state", "list").out
    assert (folder / f"{BYTES}.md").exists()
    (tmp_path / f"{BYTES}.parquet").write_bytes((tmp_path / "rows.parquet").read_bytes())
    said = mmc(tmp_path, "init", "--from", f"{BYTES}.parquet", code=1).err
    assert r"caf\xe9.parquet: this name is not UTF-8" in said
