"""pyarrow without pandas, for as long as nobody else imports it. Knows nothing of mmc.

pyarrow imports pandas at the first `pa.array` or `pa.scalar` wherever it is installed, only to ask
whether a value is of pandas: half of what a `plan` took. Here it is told "not installed" at that
one question, and told better when somebody does import pandas. (`sys.modules["pandas"] = None` is
no way: then it never works again. Nor is the first half alone: `pa.array` of a Series would be
read value by value, and a missing one is no null then.)
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.abc import Loader


def install() -> None:
    """Arranges it for this process, before pyarrow is imported; imports nothing by itself. Where
    pyarrow or pandas is there already, they stay as they are.
    """
    if "pyarrow" not in sys.modules and "pandas" not in sys.modules:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Lets something follow when pyarrow, and then pandas, has been imported by whatever thread."""

    def __init__(self) -> None:
        self._asking = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pyarrow":
            return _followed(fullname, self._ask)
        if fullname == "pandas":
            if getattr(self._asking, "now", False):
                raise ModuleNotFoundError("pandas is left out until it is needed", name=fullname)
            return _followed(fullname, self._tell)
        return None

    def _ask(self) -> None:
        """Has pyarrow ask for pandas, once and for all, and refuses. pandas imports pyarrow too:
        then it is half there, and no answer is needed.
        """
        if "pandas" in sys.modules:
            return
        import pyarrow as pa

        self._asking.now = True
        try:
            pa.scalar(1)
        finally:
            self._asking.now = False

    def _tell(self) -> None:
        """Has pyarrow look again; a pandas that is too old for it is none, as ever."""
        sys.meta_path.remove(self)
        if "pyarrow" in sys.modules:
            import pyarrow as pa

            try:
                pa.nulls(0).to_pandas()
            except ImportError:
                return


class _Followed:
    """A module's own loader, and what is done after it. The module sees only its own."""

    def __init__(self, loader: Loader, then: Callable[[], None]) -> None:
        self._loader = loader
        self._then = then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._then()


def _followed(name: str, then: Callable[[], None]) -> ModuleSpec | None:
    spec = PathFinder.find_spec(name)
    if spec is not None and spec.loader is not None:
        spec.loader = cast("Loader", _Followed(spec.loader, then))
    return spec
