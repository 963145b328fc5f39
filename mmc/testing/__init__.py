"""Conformance suites for plug-ins, fakes to run them against, and a fault injector. The top layer:
it uses everything, and nothing of mmc imports it.

An author derives one class and runs pytest:

    from mmc.testing import Data, SourceSuite

    class TestNotes(SourceSuite):
        type = "notes"

        def make(self, folder): ...

Needs pytest, which is an extra of mmc. Suites: `mmc.testing.source`, `mmc.testing.sink`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from mmc.errors import PluginMissing
from mmc.version import DISTRIBUTION

if TYPE_CHECKING:
    from mmc.testing.ability import Ability as Ability
    from mmc.testing.client import Client as Client
    from mmc.testing.installed import installed as installed
    from mmc.testing.sink.case import Place as Place
    from mmc.testing.sink.suite import SinkSuite as SinkSuite
    from mmc.testing.source.case import Data as Data
    from mmc.testing.source.suite import SourceSuite as SourceSuite
    from mmc.testing.values import Awkward as Awkward
    from mmc.testing.values import awkward_columns as awkward_columns

__all__ = [
    "Ability",
    "Awkward",
    "Client",
    "Data",
    "Place",
    "SinkSuite",
    "SourceSuite",
    "awkward_columns",
    "installed",
]

_HOMES: Final = {
    "Ability": "ability",
    "Awkward": "values",
    "Client": "client",
    "Data": "source.case",
    "Place": "sink.case",
    "SinkSuite": "sink.suite",
    "SourceSuite": "source.suite",
    "awkward_columns": "values",
    "installed": "installed",
}
_ASSERTING: Final = (
    "mmc.testing.options",
    "mmc.testing.secrets",
    "mmc.testing.source",
    "mmc.testing.sink",
)
"""Modules whose asserts pytest explains."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mmc.testing' has no attribute {name!r}")
    try:
        import pytest
    except ImportError:
        raise PluginMissing(
            "mmc.testing needs pytest",
            hint=f"pip install '{DISTRIBUTION}[testing]'",
            code="MMC661",
        ) from None
    pytest.register_assert_rewrite(*_ASSERTING)
    return getattr(import_module(f"mmc.testing.{_HOMES[name]}"), name)
