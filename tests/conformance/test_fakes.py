"""The fakes of the kit pass its own suites."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from mmc.testing import Ability, Client, Data, SourceSuite
from mmc.testing.fakes.source import with_role, write_rows
from tests.conformance.tables import awkward, changed, replace_file

ROLES = {"id": {"key": "1"}, "vector": {"vector": "float_vector(4)"}}


def with_roles(table: pa.Table) -> pa.Table:
    made = [
        with_role(name, table[name].combine_chunks(), **ROLES.get(name, {}))
        for name in table.schema.names
    ]
    return pa.table([array for _, array in made], schema=pa.schema([field for field, _ in made]))


class TestKitSource(SourceSuite):
    type = "kit"
    cannot: ClassVar[Mapping[Any, str]] = {
        Ability.LOSE: "a file without its end is no Arrow file",
        Ability.FAIL_PASSING: "what a file says stays said",
    }
    thorough = False

    def make(self, folder: Path) -> Data:
        table = with_roles(awkward())
        write_rows(folder / "rows.arrow", table)
        return Data(options={"path": str(folder / "rows.arrow")}, tables={"rows": table})

    def change(self, data: Data) -> None:
        table = changed(data.tables["rows"])
        replace_file(Path(str(data.options["path"])), lambda path: write_rows(path, table))

    def client(self) -> Client:
        return Client(owner=Path, name="read_bytes", final=lambda: PermissionError(13, "no"))
