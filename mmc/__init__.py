"""mmc, the Milvus migration compiler: spec -> plan -> apply -> proof.

    import mmc

    spec = mmc.load_spec("articles.yaml")
    plan = mmc.make_plan(spec)
    report = mmc.apply_plan(plan)
    assert report.ok

Every name below is loaded at first use, so that importing mmc costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmc.version import __version__ as __version__

if TYPE_CHECKING:
    from mmc.api import apply_plan as apply_plan
    from mmc.api import check_spec as check_spec
    from mmc.api import compile_plan as compile_plan
    from mmc.api import init_spec as init_spec
    from mmc.api import inspect as inspect
    from mmc.api import load_spec as load_spec
    from mmc.api import make_plan as make_plan
    from mmc.api import number_tokens as number_tokens
    from mmc.api import preview as preview
    from mmc.api import read_plan as read_plan
    from mmc.api import verify_plan as verify_plan
    from mmc.api import write_plan as write_plan
    from mmc.errors import MmcError as MmcError

__all__ = [
    "MmcError",
    "__version__",
    "apply_plan",
    "check_spec",
    "compile_plan",
    "init_spec",
    "inspect",
    "load_spec",
    "make_plan",
    "number_tokens",
    "preview",
    "read_plan",
    "verify_plan",
    "write_plan",
]


def __getattr__(name: str) -> Any:
    if name == "MmcError":
        return import_module("mmc.errors").MmcError
    if name in __all__:
        return getattr(import_module("mmc.api"), name)
    raise AttributeError(f"module 'mmc' has no attribute {name!r}")
