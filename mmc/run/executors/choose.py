"""The executor that a plan asks for. The driver knows no other way to one."""

from __future__ import annotations

from typing import assert_never

from mmc.plan.model import ExecutorKind
from mmc.run.executors.executor import Driver, Executor
from mmc.run.executors.inprocess import InProcess
from mmc.run.executors.processes import Processes
from mmc.run.executors.threads import Threads


def executor_of(driver: Driver) -> Executor:
    plan = driver.plan
    if plan.workers <= 1:
        return InProcess(driver)
    match plan.executor:
        case ExecutorKind.THREADS:
            return Threads(driver)
        case ExecutorKind.PROCESSES:
            return Processes(driver)
        case _:
            assert_never(plan.executor)
