"""The suite that an author derives from."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mmc.testing.options import OptionsChecks
from mmc.testing.secrets import Secrets
from mmc.testing.source.case import Data
from mmc.testing.source.changes import Changes
from mmc.testing.source.facts import Facts
from mmc.testing.source.faults import Faults
from mmc.testing.source.pieces import Pieces
from mmc.testing.source.processes import Processes
from mmc.testing.source.reading import Reading
from mmc.testing.source.requests import RequestCounts
from mmc.testing.source.runs import Runs
from mmc.types import JsonValue


class SourceSuite(
    OptionsChecks,
    Reading,
    Facts,
    Pieces,
    Processes,
    Runs,
    Changes,
    Faults,
    RequestCounts,
    Secrets,
):
    """Derive one class from this, name it `Test...`, give it `type` and `make`, and run pytest."""

    @pytest.fixture
    def said(self, data: Data) -> Mapping[str, JsonValue]:
        return data.options
