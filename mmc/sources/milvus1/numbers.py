"""Sets of row numbers as text a reviewer can read: `5 7-9 1000-1999`. Ascending, no overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def to_text(numbers: NDArray[np.int64]) -> str:
    """Numbers, ascending and each once, as runs."""
    import numpy as np

    if not len(numbers):
        return ""
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    firsts = numbers[np.concatenate(([0], breaks + 1))].tolist()
    lasts = numbers[np.concatenate((breaks, [len(numbers) - 1]))].tolist()
    pairs = zip(firsts, lasts, strict=True)
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in pairs)


def from_text(text: str) -> NDArray[np.int64]:
    """Inverse of `to_text`."""
    import numpy as np

    runs = []
    for part in text.split():
        first, _, last = part.partition("-")
        runs.append(np.arange(int(first), int(last or first) + 1, dtype=np.int64))
    return np.concatenate(runs) if runs else np.zeros(0, np.int64)
