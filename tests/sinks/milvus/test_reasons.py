"""What the words of a failed import mean: not seen, passing, or a fault of the files."""

from __future__ import annotations

import pytest

from mmc.layouts.staging import StagingPlace
from mmc.sinks.milvus.bulk.reasons import Reason, reason_of
from mmc.sinks.milvus.bulk.target import _ours
from mmc.spi import ImportTask, TaskState

UNSEEN, PASSING, FILES = Reason.UNSEEN, Reason.PASSING, Reason.FILES
TABLE = [
    (UNSEEN, "failed to get file size of '/x', error:stat /x: no such file or directory"),
    (UNSEEN, "failed to get file size of 'a/x', error:The specified key does not exist."),
    (UNSEEN, "The specified bucket does not exist"),
    (UNSEEN, "NoSuchKey(key=a/x)"),
    (UNSEEN, "failed to get file size of 'a/x', error:Access Denied."),
    (UNSEEN, "failed to get file size of 'a/x', error:403 Forbidden"),
    (UNSEEN, "failed to get file size of 'a/x', error:404 Not Found"),
    (UNSEEN, "RESPONSE 404: The specified blob does not exist."),
    (UNSEEN, "storage: object doesn't exist"),
    (UNSEEN, "open /x: permission denied"),
    (UNSEEN, "The Access Key Id you provided does not exist in our records."),
    (PASSING, "failed to get file size of 'a/x', error:500 X"),
    (PASSING, 'Head "http://s3/a/x": read tcp 10.0.0.1->10.0.0.2: connection reset by peer'),
    (PASSING, "parquet: could not read footer: unexpected EOF: importing data failed"),
    (PASSING, "failed to read row data, error: EOF"),
    (PASSING, "data block's row count mismatch: 1000 vs 0: importing data failed"),
    (PASSING, "We encountered an internal error, please try again."),
    (PASSING, "503 Service Unavailable"),
    (PASSING, "Please reduce your request rate."),
    (PASSING, "SlowDown"),
    (PASSING, "dial tcp 10.0.0.2:9000: connect: connection refused"),
    (PASSING, "dial tcp 10.0.0.2:9000: i/o timeout"),
    (PASSING, "context deadline exceeded"),
    (PASSING, "failed to read, status code: 502"),
    (
        FILES,
        "for field 'v' at the row 500, error: array size 1 doesn't equal to vector dimension 8",
    ),
    (FILES, "the row count(500) of file 'id.npy' is not equal to row count(100) of file 'v.npy'"),
    (FILES, "field schema is not match, collection field dataType: FloatVector"),
    (FILES, "invalid JSON format, the root key should be 'rows'"),
    (FILES, "value of field 's404' is missed"),
    (FILES, "parquet: file is smaller than indicated metadata size"),
    (FILES, ""),
]


@pytest.mark.parametrize(("reason", "words"), TABLE, ids=[words[:40] for _, words in TABLE])
def test_reasons(reason: Reason, words: str) -> None:
    assert reason_of(words) is reason


@pytest.mark.parametrize(
    ("words", "code", "again"),
    [
        ("The specified key does not exist.", "MMC542", False),
        ("error:500 X", "MMC557", True),
        ("row 3: no", "", False),
    ],
)
def test_only_what_is_not_seen_blames_the_place(words: str, code: str, again: bool) -> None:
    place = StagingPlace("s3://a-bucket/files", {}, "5ab1", "c")
    task = _ours(place, ImportTask(id="1", state=TaskState.FAILED, reason=words))
    assert (task.code, task.again) == (code, again)
    assert words in task.reason
    assert ("Milvus's own bucket" in task.reason) == (code == "MMC542")
