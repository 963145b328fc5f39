"""What only some targets can do, asked for by a step of the plan."""

from __future__ import annotations

from mmc.errors import TargetError
from mmc.plan.model import Step
from mmc.spi import Indexed, Manifested, Target


def indexed(target: Target, step: Step) -> Indexed:
    """Raises TargetError when the target has no indexes, aliases or settings (MMC538)."""
    if not isinstance(target, Indexed):
        raise _unable(step)
    return target


def manifested(target: Target, step: Step) -> Manifested:
    """Raises TargetError when the target keeps no manifest (MMC538)."""
    if not isinstance(target, Manifested):
        raise _unable(step)
    return target


def _unable(step: Step) -> TargetError:
    return TargetError(
        f"{step.id}: the target of this plan has no steps of the kind {step.kind}",
        hint="the plan was edited, or made for another target: make it again",
        code="MMC538",
    )
