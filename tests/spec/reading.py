"""Specs of the plug-ins that are installed."""

from __future__ import annotations

from functools import partial

from mmc.plan.model import Endpoint
from mmc.registry import MODELS
from mmc.spec import format as format_
from mmc.spec import load
from mmc.spec.options import Options

load_spec = partial(load.load_spec, models=MODELS)
parse_spec = partial(load.parse_spec, models=MODELS)


def endpoint_of(options: Options) -> Endpoint:
    """Options as they stand in a plan."""
    return load._endpoint(options)


def format_spec(text: str, file: str = "<spec>") -> str:
    return format_.format_spec(text, MODELS, file)
