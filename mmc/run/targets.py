"""The driver's open targets: one a route, opened when first used, closed with the run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from mmc import registry
from mmc.events import Emit
from mmc.plan.model import Plan
from mmc.run.inspect import route_of
from mmc.run.pace import call
from mmc.spi import Fence, Target, unfenced


class OpenTargets:
    """Gives open targets; they are closed with `stack`."""

    def __init__(
        self,
        plan: Plan,
        emit: Emit,
        should_stop: Callable[[], bool],
        stack: ExitStack,
        fence: Fence = unfenced,
    ) -> None:
        self._plan = plan
        self._emit = emit
        self._should_stop = should_stop
        self._stack = stack
        self._fence = fence
        self._open: dict[str, Target] = {}

    def by_route(self, route: str) -> Target:
        if route not in self._open:
            sink = registry.sink(self._plan.target.type, route)
            options = registry.options_of("target", self._plan.target)
            self._open[route] = call(
                f"open {self._plan.target.type}",
                lambda: self._stack.enter_context(sink.open(options, self._fence)),
                emit=self._emit,
                should_stop=self._should_stop,
            )
        return self._open[route]

    def of(self, collection: str) -> Target:
        """The target by the route that fills this collection."""
        routes = [copy.route for copy in self._plan.copies if copy.collection.name == collection]
        return self.by_route(routes[0] if routes else route_of(self._plan))
