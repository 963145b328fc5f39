"""How a server is spared, by all who read from it."""

from __future__ import annotations

import threading
import time

from mmc.limits import Limit, LocalLimit, LocalLimits, limit, share
from mmc.sources.elasticsearch.client.connect import connect
from tests.sources.elasticsearch.indexed import options_of


def test_no_more_requests_at_once_than_allowed() -> None:
    turns, inside, most = LocalLimit(2, None), [0], [0]
    lock = threading.Lock()

    def work() -> None:
        with turns.turn():
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.02)
            with lock:
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [2]


def test_requests_keep_their_distance() -> None:
    turns, start = LocalLimit(4, 50.0), time.monotonic()
    for _ in range(4):
        with turns.turn():
            pass
    assert time.monotonic() - start >= 3 / 50


def test_hosts_share_a_limit_in_any_order() -> None:
    assert limit(("a", "b"), 3, None) is limit(("b", "a"), 3, None)
    assert limit(("a", "b"), 3, None) is not limit(("a", "c"), 3, None)


class Everywhere(LocalLimits):
    """Limits that an executor keeps for all its machines; here it counts."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, ...]] = []

    def limit(self, hosts: tuple[str, ...], concurrency: int, per_second: float | None) -> Limit:
        self.asked.append(hosts)
        return super().limit(hosts, concurrency, per_second)


def test_a_source_keeps_to_limits_that_are_shared() -> None:
    options = options_of(url=["http://a:1", "http://b:1"])
    limits = Everywhere()
    before = share(limits)
    try:
        with connect(options):
            pass
    finally:
        share(before)
    with connect(options):
        pass
    assert limits.asked == [("http://a:1", "http://b:1")]
