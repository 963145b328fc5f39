"""Which places are one target: its identity, by which leases and runs know it."""

from __future__ import annotations

from mmc.plan import codec
from mmc.plan.model import Endpoint
from mmc.registry import options_of
from mmc.storage.names import as_text


def target_identity(target: Endpoint) -> str:
    """What two plans for the same place have in common, as its plug-in says.

    Raises:
        PluginMissing: the plug-in of the target is not installed.
    """
    return as_text(options_of("target", target).identity())


def target_key(target: Endpoint) -> str:
    """The key of a target's lease and runs: a digest of its identity, of fixed length."""
    return codec.digest(target_identity(target))
