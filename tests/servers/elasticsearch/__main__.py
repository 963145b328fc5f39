"""Resolves the jars of the named profiles, so that no test has to wait for them."""

from __future__ import annotations

import sys

from tests.servers.elasticsearch.home import home
from tests.servers.elasticsearch.profiles import PROFILES

for name in sys.argv[1:]:
    print(home(PROFILES[name]).folder)
