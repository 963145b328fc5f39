"""pyarrow without pandas, and with it again: each in a process of its own, for it is done once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from mmc.arrow import lazypandas

INSTALL = "import sys; from mmc.arrow import lazypandas; lazypandas.install()\n"
WITHOUT = """
import pyarrow as pa
assert pa.array([1, None]).null_count == 1 and pa.scalar("a").as_py() == "a"
assert "pandas" not in sys.modules
"""
WITH = """
import pyarrow as pa
assert pa.array(pd.Series([1.0, None])).null_count == 1, "pyarrow takes no notice of a Series"
times = pa.array(pd.Series(pd.to_datetime(["2020-01-01", None], utc=True)))
assert times.null_count == 1 and pa.types.is_timestamp(times.type)
assert pa.table({"a": [1, 2]}).to_pandas()["a"].tolist() == [1, 2]
assert pa.Table.from_pandas(pd.DataFrame({"a": [1]})).num_rows == 1
assert not any("lazypandas" in type(finder).__module__ for finder in sys.meta_path)
assert "lazypandas" not in type(pa.__loader__).__module__ + type(pd.__loader__).__module__
"""
TOGETHER = """
import importlib, threading
names = ["pyarrow", "pandas", "pyarrow.compute", "pandas"]
start = threading.Barrier(len(names))
def load(name):
    start.wait()
    importlib.import_module(name)
threads = [threading.Thread(target=load, args=[name]) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
import pandas as pd
"""
OLD = """
sys.path.insert(0, ".")
import pandas, pyarrow as pa
assert pandas.__version__ == "0.1.0"
try:
    pa.array([1]).to_pandas()
except ImportError as error:
    assert "0.1.0" in str(error)
else:
    raise AssertionError("an old pandas is taken")
"""
GONE = """
sys.path.clear()
try:
    import pandas
except ModuleNotFoundError as error:
    assert error.name == "pandas" and "No module" in str(error)
else:
    raise AssertionError("it was found")
"""
LATER = "import pandas as pd\n"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(WITHOUT + LATER + WITH, id="pandas after pyarrow"),
        pytest.param(LATER + WITH, id="pandas, which imports pyarrow"),
        pytest.param(TOGETHER + WITH, id="in threads"),
        pytest.param(WITHOUT + OLD, id="a pandas that is too old"),
        pytest.param(WITHOUT + GONE, id="no pandas"),
    ],
)
def test_pandas_is_known_when_it_is_there(code: str, tmp_path: Path) -> None:
    (tmp_path / "pandas.py").write_text('__version__ = "0.1.0"\n')
    done = subprocess.run(
        [sys.executable, "-P", "-c", INSTALL + code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_process_that_has_pyarrow_stays_as_it_is() -> None:
    assert pa is sys.modules["pyarrow"]
    before = list(sys.meta_path)
    lazypandas.install()
    assert sys.meta_path == before
