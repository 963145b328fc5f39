"""A forked command is, to whoever runs it, the command that a shell would start."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.mmc_command import mmc, started
from tests.zygote.client import Command, shell_environment

SPEC = """
version: 1
source: {type: files, path: rows.jsonl}
target: {type: files, url: out}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text(
        "".join(f'{{"id": {row}, "vector": [{row}, 0.5]}}\n' for row in range(50))
    )
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


def test_a_forked_command_and_a_started_one_are_alike(folder: Path) -> None:
    steps = [
        (("plan", "spec.yaml", "-o", "plan.json"), 0),
        (("plam",), 64),
        (("apply", "plan.json"), 0),
        (("plan", "spec.yaml"), 1),
    ]
    for args, code in steps:
        plan = (folder / "plan.json").read_bytes() if (folder / "plan.json").exists() else b""
        one = mmc(folder, *args, code=code)
        if args[0] == "apply":
            one = mmc(folder, *args, code=code)  # of two applies the second has nothing to do
        two = started(folder, *args, code=code)
        assert (one.out, one.err) == (two.out, two.err)
        assert not plan or plan == (folder / "plan.json").read_bytes()


def _program(folder: Path, text: str, **env: str) -> Command:
    return Command(folder, program=text, env={**os.environ, **env})


def test_its_surroundings_are_those_that_were_asked_for(folder: Path) -> None:
    told = "import os, sys; print(os.getcwd(), os.environ.get('A'), os.environ.get('B'), sys.argv)"
    out, err = _program(folder, told, A="\u00e9").communicate(60)
    assert (out, err) == (f"{folder} \u00e9 None ['-']\n", "")
    local = "import time; print(time.localtime(0).tm_hour)"
    assert _program(folder, local, TZ="Asia/Tokyo").communicate(60)[0] == "9\n"
    (folder / "plugin.py").write_text("print(__file__)")
    imported = _program(folder, "import plugin", PYTHONPATH=str(folder))
    assert imported.communicate(60)[0] == f"{folder}/plugin.py\n"
    with pytest.raises(AssertionError, match="PYTHONIOENCODING"):
        _program(folder, "", PYTHONIOENCODING="ascii")


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("import sys; sys.exit(5)", 5, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("raise ValueError('why')", 1, "ValueError: why\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, ""),
        ("import atexit, sys; atexit.register(print, 'last', file=sys.stderr)", 0, "last\n"),
    ],
)
def test_it_ends_as_a_program_does(folder: Path, text: str, code: int, said: str) -> None:
    command = _program(folder, text)
    assert command.communicate(60)[1].endswith(said)
    assert command.wait() == code


def test_it_is_waited_for_and_killed_as_a_child_is(folder: Path) -> None:
    command = _program(folder, "import time; print('on', flush=True); time.sleep(60)")
    assert command.stdout.readline() == "on\n"
    assert command.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        command.communicate(timeout=0.05)
    command.kill()
    assert command.communicate(60) == ("", "")
    assert command.returncode == -signal.SIGKILL
    command.send_signal(signal.SIGTERM)  # it is gone: its number may be another's


def test_it_has_a_group_of_its_own_where_it_is_started_for_signals(folder: Path) -> None:
    told = "import os; print(os.getpgid(0) == os.getpid())"
    for own in (True, False):
        command = Command(folder, program=told, env=os.environ, own_group=own)
        assert command.communicate(60) == (f"{own}\n", "")


def test_shells_find_it(folder: Path) -> None:
    env = shell_environment(folder / "bin") | {"NO_COLOR": "1"}
    lines = "mmc version | grep -c ^mmc; mmc plam; echo $?; mmc fmt - < spec.yaml; exec mmc nothing"
    done = subprocess.run(
        ["bash", "-c", lines], cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 64
    assert done.stdout.startswith("1\n64\nversion: 1\n")
