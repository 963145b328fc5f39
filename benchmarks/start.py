"""A `plan` of a tiny file into files against the bare imports that it needs, in one run.

    python benchmarks/start.py [--repeat 10] [--python PYTHON]

Prints the best CPU seconds (user and system) of each command, which a busy machine disturbs less
than the clock, the best seconds by the clock, and the ratio of `plan` to its imports.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SPEC = """
version: 1
source: {type: files, path: vectors.npy}
target: {type: files, url: out/}
"""
MMC = "import sys; from mmc.cli.main import main; main(sys.argv[1:])"
IMPORTS = (
    "import click, jsonschema.validators, numpy, orjson, pyarrow.compute, pyarrow.parquet;"
    "import pydantic, rich.console, rich.live, ruamel.yaml; pydantic.BaseModel"
)
FOUR = "import duckdb, pyarrow, pydantic, sqlalchemy; pydantic.BaseModel"
"""What the first goal was measured by."""
COMMANDS = {
    "python": ["-c", "pass"],
    "its imports": ["-c", IMPORTS],
    "four imports": ["-c", FOUR],
    "mmc --help": ["-c", MMC, "--help"],
    "mmc validate": ["-c", MMC, "validate", "spec.yaml"],
    "mmc plan": ["-c", MMC, "plan", "spec.yaml"],
    "mmc apply": ["-c", MMC, "apply", "plan.json", "--state", "sqlite:///{}.db"],
}


def spent(command: list[str], folder: Path) -> tuple[float, float]:
    """CPU seconds and seconds by the clock."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    clock, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--python", default=sys.executable)
    arguments = parser.parse_args()
    best = {name: (float("inf"), float("inf")) for name in COMMANDS}
    with tempfile.TemporaryDirectory(prefix="start-") as made:
        folder = Path(made)
        (folder / "spec.yaml").write_text(SPEC)
        vectors = np.random.default_rng(7).normal(size=(50, 8)).astype(np.float32)
        np.save(folder / "vectors.npy", vectors)
        spent([arguments.python, "-c", MMC, "plan", "spec.yaml", "-o", "plan.json"], folder)
        for number in range(arguments.repeat):
            for name, command in COMMANDS.items():
                given = [part.replace("{}", str(number)) for part in command]
                found = spent([arguments.python, *given], folder)
                best[name] = (min(best[name][0], found[0]), min(best[name][1], found[1]))
                if name == "mmc apply":
                    subprocess.run(["rm", "-r", "out"], cwd=folder, check=True)
    for name, (cpu, clock) in best.items():
        print(f"{name:14} {cpu:6.3f} s of CPU  {clock:6.3f} s by the clock")
    plan = best["mmc plan"][0]
    print(
        f"plan is {plan / best['its imports'][0]:.2f} of its imports, "
        f"{plan / best['four imports'][0]:.2f} of duckdb, pyarrow, pydantic and sqlalchemy "
        f"(load {os.getloadavg()[0]:.1f})"
    )


if __name__ == "__main__":
    main()
