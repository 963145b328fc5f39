"""Looks at both ends, without writing: endpoint -> facts. With the interpreter, the only way to the
network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from mmc import registry
from mmc.errors import PluginMissing, SourceChanged, SourceMissing
from mmc.events import Emit
from mmc.facts import Facts, SourceFacts, TargetFacts
from mmc.plan.model import CopySplits, CreateCollection, Endpoint, Plan
from mmc.run.earlier import earlier_plans
from mmc.run.pace import call, never, patient
from mmc.spi import Again, AsksAgain, ReadsAfter, Sample

LOOKS: Final = 7
"""Times that a target which is away is looked at: over 16 to 32 seconds, as long as sources wait
for theirs. A person who mistyped an address waits too.
"""

SILENCE: Final = 75.0
"""Seconds without any answer of a source, after which nothing is asked again: one request that
timed out is.
"""


def inspect_source(
    endpoint: Endpoint,
    collections: Sequence[str],
    sample: Sample,
    again: Again | None = None,
) -> SourceFacts:
    """Facts of the named collections, or of all when none is named.

    Args:
        again: tries again what fails for now: single requests of a source that knows how.

    Raises:
        SourceError: the source cannot be read, or a named collection is not there.
        PluginMissing: no plug-in serves this type.
    """
    source, options = registry.source(endpoint.type), registry.options_of("source", endpoint)
    if again is not None and isinstance(source, AsksAgain):
        source = source.asking(again)
    if paths := options.earlier_plans:
        if not isinstance(source, ReadsAfter):
            raise PluginMissing(
                f"the source `{endpoint.type}` names earlier plans, and cannot read after them",
                hint="its package is broken: it has no method inspect_after",
                code="MMC662",
            )
        return source.inspect_after(options, collections, sample, earlier_plans(paths))
    return source.inspect(options, collections, sample)


def reach_source(
    endpoint: Endpoint, collections: Sequence[str], sample: Sample, emit: Emit
) -> SourceFacts:
    """`inspect_source`, each request of which is asked `LOOKS` times at most, where it is refused
    for now; each wait is told. Raises what that raises.
    """
    return inspect_source(
        endpoint, collections, sample, patient(emit, attempts=LOOKS, silence=SILENCE)
    )


def inspect_target(endpoint: Endpoint, route: str, collections: Sequence[str]) -> TargetFacts:
    """Facts of the target as `route` sees it, and of those named collections that exist.

    Raises:
        TargetError: the target cannot be reached, or refuses.
        PluginMissing: no plug-in serves this target by this route.
    """
    return registry.sink(endpoint.type, route).inspect(
        registry.options_of("target", endpoint), collections
    )


def reach_target(
    endpoint: Endpoint, route: str, collections: Sequence[str], emit: Emit
) -> TargetFacts:
    """`inspect_target`, again and again for half a minute while the target is away or busy; each
    wait is told. Raises what that raises.
    """
    return call(
        f"look at target {endpoint.type}",
        lambda: inspect_target(endpoint, route, collections),
        emit=emit,
        attempts=LOOKS,
    )


def inspect_again(plan: Plan, *, emit: Emit, should_stop: Callable[[], bool] = never) -> Facts:
    """The facts that a plan was made from, as they are now: same collections, same sample. What
    fails for now is tried again, as long as a split would be.

    Raises:
        SourceChanged: a collection is not there any more.
        SourceError, TargetError: as those two.
    """
    seen = plan.source_seen
    sample = Sample(seen.sample_rows, seen.sample_seed)
    names = [name for name, _ in seen.rows]
    try:
        source = _source_again(plan.source, names, sample, emit, should_stop)
    except SourceMissing as error:
        raise SourceChanged(
            f"it was there when the plan was made: {error}", hint="plan again", code=error.code
        ) from None
    targets = {name for name, _ in plan.target_seen.rows}
    for step in plan.steps:
        if isinstance(step, (CreateCollection, CopySplits)):
            targets.add(step.collection.name)
        if isinstance(step, CreateCollection) and step.asked:
            targets.add(step.asked)
    target = call(
        "inspect",
        lambda: inspect_target(plan.target, route_of(plan), sorted(targets)),
        emit=emit,
        should_stop=should_stop,
    )
    return Facts(source=source, target=target)


def _source_again(
    endpoint: Endpoint,
    collections: Sequence[str],
    sample: Sample,
    emit: Emit,
    should_stop: Callable[[], bool],
) -> SourceFacts:
    """Request by request where the source can, else as a whole."""
    if isinstance(registry.source(endpoint.type), AsksAgain):
        again = patient(emit, should_stop=should_stop)
        return inspect_source(endpoint, collections, sample, again)
    return call(
        "inspect",
        lambda: inspect_source(endpoint, collections, sample),
        emit=emit,
        should_stop=should_stop,
    )


def route_of(plan: Plan) -> str:
    """The sink that looks at a plan's target, and does the steps of no collection."""
    return registry.main_route(plan.target.type)
