"""Dates in the formats of mappings."""

from __future__ import annotations

from typing import Any

import pytest

from mmc.sources.elasticsearch.decoding.dates import instant, instants, unreadable


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
        (2024, (), 3, 1704067200000),
        (2024, ("epoch_millis", "year"), 3, 2024),
        (1709210096e3, (), 3, 1709210096000),
        ("29/Feb/2024:13:34:56 +0100", ("dd/MMM/yyyy:HH:mm:ss Z",), 3, 1709210096000),
        ("Thu Feb 29 2024", ("EEE MMM dd yyyy",), 3, 1709164800000),
        ("2/29/24 12:34:56 PM", ("M/d/yy h:mm:ss a",), 3, 1709210096000),
        ("2/29/24 12:34:56 AM", ("M/d/yy h:mm:ss a",), 3, 1709166896000),
        ("2024-02-29", ("yyyy-MM-dd['T'HH:mm:ss]",), 3, 1709164800000),
        ("2024-02-29T12:34:56", ("8uuuu-MM-dd['T'HH:mm:ss]",), 3, 1709210096000),
        ("2024-060", ("strict_ordinal_date",), 3, 1709164800000),
        (-1234, ("epoch_second", "strict_date_optional_time"), 3, -1234000),
        (-12345, ("strict_date_optional_time", "epoch_second"), 3, -12345000),
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
        ("2023-366", ("ordinal_date",)),
        ("29/Fev/2024", ("dd/MMM/yyyy",)),
        ("2/29/24 13:34 PM", ("M/d/yy h:mm a",)),
        ("２０２４", ()),
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
    assert unreadable(("week_date", "EEE MMM d", "yyyy", "yyyy{MM}")) == (
        "week_date",
        "EEE MMM d",
        "yyyy{MM}",
    )


@pytest.mark.parametrize("digits", [3, 9])
@pytest.mark.parametrize("formats", [(), ("epoch_second",), ("strict_date_optional_time_nanos",)])
@pytest.mark.parametrize(
    "values",
    [
        ["2024-02-29T12:34:56.789Z", None, "1969-12-31T23:59:59.5+01:00"],
        ["2024-02-29T12:34:56.789123Z", None, "1969-12-31T23:59:59.9999Z"],
        ["2024-02-29T12:34:56.789123", "2024-02-29"],
        ["2024-02-29T12:34:56", "2024-02-29T12:34:56Z"],
        ["2024", "1709210096789"],
        ["2300-01-01T00:00:00.1234567Z"],
        [1709210096, None, -12345678],
        [1709210096, 2024],
        [1 << 62],
        ["2024-02-29", 1709210096],
    ],
)
def test_a_column_at_once_is_as_value_by_value(
    values: list[Any], formats: tuple[str, ...], digits: int
) -> None:
    made = instants(values, formats, digits)
    if made is not None:
        assert str(made.type) == ("timestamp[ms]" if digits == 3 else "timestamp[ns]")
        assert made.cast("int64").to_pylist() == [
            None if value is None else instant(value, formats, digits) for value in values
        ]


def test_what_is_common_is_taken_at_once() -> None:
    iso = ["2024-02-29T12:34:56.789Z", None]
    assert instants(iso, (), 3) is not None
    assert instants(["2024-02-29T12:34:56.789123"], (), 3) is not None
    assert instants([1709210096789, None], (), 3) is not None
    assert instants(iso, ("yyyy-dd-MM", "strict_date_optional_time"), 3) is None


@pytest.mark.parametrize("value", [-1234, "-1234", "-1234-05-06"])
def test_a_year_before_the_first_is_no_epoch(value: Any) -> None:
    with pytest.raises(ValueError, match="before the year 1"):
        instant(value, ("strict_date_optional_time", "epoch_second"), 3)
