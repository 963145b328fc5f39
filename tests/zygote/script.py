"""The `mmc` of shells in tests: hands its arguments and streams to the forking server, and ends as
the command does. Imports little, so that it starts in milliseconds.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
    connection.connect(os.environ["MMC_TEST_ZYGOTE"])
    path = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    request = {"cwd": str(Path.cwd()), "env": dict(os.environ), "args": sys.argv[1:], "path": path}
    socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
    pid = int(connection.recv(64))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(pid, number))
    code = os.waitstatus_to_exitcode(int(connection.recv(64)))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
