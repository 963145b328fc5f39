"""Dates in the formats of mappings."""

from __future__ import annotations

from typing import Any

import pytest

from mmc.sources.elasticsearch.dates import instant, unreadable


@pytest.mark.parametrize(
    ("value", "formats", "digits", "wanted"),
    [
        ("2024-02-29T12:34:56.789Z", (), 3, 1709210096789),
        ("2024-02-29T12:34:56.789123456Z", (), 3, 1709210096789),
        ("2024-02-29T12:34:56.789123456Z", (), 9, 1709210096789123456),
        ("2024-02-29T13:34:56+01:00", (), 3, 1709210096000),
        ("2024-02-29", (), 3, 1709164800000),
        ("2024", (), 3, 1704067200000),
        ("1969-12-31T23:59:59.5Z", (), 3, -500),
        (1709210096789, (), 3, 1709210096789),
        ("1709210096789", ("epoch_millis",), 3, 1709210096789),
        (1709210096, ("epoch_second",), 3, 1709210096000),
        (1709210096.5, ("epoch_second",), 3, 1709210096500),
        (1709210096789.25, (), 9, 1709210096789250000),
        ("2024/02/29 12:34:56", ("yyyy/MM/dd HH:mm:ss",), 3, 1709210096000),
        ("29.2.2024", ("d.M.yyyy",), 3, 1709164800000),
        ("20240229", ("basic_date",), 3, 1709164800000),
        ("2024-02-29", ("yyyy/MM/dd", "yyyy-MM-dd"), 3, 1709164800000),
    ],
)
def test_an_instant(value: Any, formats: tuple[str, ...], digits: int, wanted: int) -> None:
    assert instant(value, formats, digits) == wanted


@pytest.mark.parametrize(
    ("value", "formats"),
    [
        ("2023-02-29", ()),
        ("yesterday", ()),
        (True, ()),
        ({}, ()),
        ("2024/02/29", ("yyyy-MM-dd",)),
        ("12:30", ("strict_date_optional_time",)),
    ],
)
def test_what_is_no_date(value: Any, formats: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="no date"):
        instant(value, formats, 3)


def test_formats_that_are_not_read_are_named() -> None:
    known = (
        "strict_date_optional_time",
        "epoch_millis",
        "yyyy-MM-dd'T'HH:mm:ss.SSSX",
        "basic_date",
    )
    assert unreadable(known) == ()
    assert unreadable(("week_date", "EEE MMM d", "yyyy")) == ("week_date", "EEE MMM d")
