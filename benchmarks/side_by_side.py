"""A command and its peer on one machine: measured the same way, from the same state of memory."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import psutil


def measured(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds, and peak RSS in MiB of the process tree."""
    peak = 0
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    tree = psutil.Process(process.pid)
    done = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(0.02):
            total = 0
            try:
                for one in (tree, *tree.children(recursive=True)):
                    total += one.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            peak = max(peak, total)

    watcher = threading.Thread(target=sample)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - begin
    done.set()
    watcher.join()
    if code:
        raise SystemExit(f"{command}: exit {code}")
    return seconds, peak / 2**20


def warm(folder: Path, size: int) -> None:
    """Touches as many pages of page cache as a command will use, and frees them."""
    os.sync()
    path = folder / "warm"
    block = bytes(1 << 24)
    with path.open("wb") as file:
        for _ in range(-(-size * 5 // 4 >> 24)):
            file.write(block)
    path.unlink()
