"""Whose a collection is: what a run writes on those that it makes, so that it knows them again."""

from __future__ import annotations

from functools import partial

from mmc.run.attempt import Attempt
from mmc.run.targets import OpenTargets
from mmc.spi import Claim
from mmc.state.store import Run


def claim_of(run: Run, *, begun: bool) -> Claim:
    """`begun`: this run began to make the collection before.

    The id of a run is that of its plan, which may be applied from several folders: each has a State
    of its own, and began at another moment.
    """
    return Claim(f"{run.id}@{run.started_at:%Y%m%dT%H%M%S.%fZ}", begun)


def release_all(attempt: Attempt, targets: OpenTargets) -> None:
    """Takes the claims off, once every step is done. Harmless when done already.

    Raises:
        TargetError: a collection is not the one that this run made.
    """
    claim = claim_of(attempt.run, begun=True)
    for step in attempt.plan.creates:
        if step.makes:
            target = targets.of(step.collection.name)
            what = f"release {step.collection.name}"
            attempt.call(what, partial(target.release, step, claim))
