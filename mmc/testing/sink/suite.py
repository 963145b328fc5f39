"""The suite that an author derives from."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mmc.testing.options import OptionsChecks
from mmc.testing.secrets import Secrets
from mmc.testing.sink.case import Place
from mmc.testing.sink.facts import Facts
from mmc.testing.sink.faults import Faults
from mmc.testing.sink.runs import Runs
from mmc.testing.sink.writing import Writing
from mmc.types import JsonValue


class SinkSuite(OptionsChecks, Facts, Writing, Runs, Faults, Secrets):
    """Derive one class from this, name it `Test...`, give it `type`, `route` and `make`, and run
    pytest.
    """

    @pytest.fixture
    def said(self, data: Place) -> Mapping[str, JsonValue]:
        return data.options
