"""Numbers as people read them."""

from __future__ import annotations


def many(count: int, noun: str) -> str:
    """`1 split`, `24 splits`, `1 index`, `2 indexes`."""
    plural = "es" if noun.endswith(("s", "x")) else "s"
    return f"{count:,} {noun}{'' if count == 1 else plural}"


def rows_text(rows: int | None) -> str:
    return "an unknown number of rows" if rows is None else many(rows, "row")


def bytes_text(size: int) -> str:
    """`3.6 GiB`, `512 KiB`, `40 B`: three digits or fewer."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.1f} {unit}" if unit != "B" and amount < 9.95 else f"{amount:.0f} {unit}"


def cut(text: str, most: int) -> str:
    """The text, or its beginning and three dots: at most so many letters."""
    return text if len(text) <= most else text[: most - 3] + "..."
