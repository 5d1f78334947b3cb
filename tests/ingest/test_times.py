"""Times: units, formats, zones, the hours that clocks skip and repeat, and days without a time."""

import pytest

from clickmill.contracts.errors import UsageError
from ingest.shop import EVENTS_CSV, HEADER

COLUMN = "event_at: {value: at, unit: seconds}"


@pytest.mark.parametrize(
    ("declared", "times"),
    [
        (
            "{value: at, unit: seconds}",
            {"1709254800": "2024-03-01 01:00:00", "1709254800.25": "2024-03-01 01:00:00.250000", "15": None, "1709254800000": None},
        ),
        ("{value: at, unit: milliseconds}", {"1709254800250": "2024-03-01 01:00:00.250000", "1709254800": None, "soon": None}),
        ("{value: at, unit: nanoseconds}", {"1709254800000001999": "2024-03-01 01:00:00.000001", "1709254800000001": None}),
        ("{value: cast(at as bigint), unit: microseconds}", {"1709254800000001": "2024-03-01 01:00:00.000001"}),
        (
            "at",
            {
                "2024-03-01T01:02:03.4567891+02:00": "2024-02-29 23:02:03.456789",
                "2024-03-01 01:02:03": "2024-03-01 01:02:03",
                "2024-03-01T01:02Z": "2024-03-01 01:02:00",
                "2024-03-01T01:02+0130": "2024-02-29 23:32:00",
                "2024-03-01 01:02:03.5-02": "2024-03-01 03:02:03.500000",
                "2024-03-01 01:02:03 UTC": "2024-03-01 01:02:03",
                "2024": None,
                "T10:00:00": None,
                "2024-03-01": None,
                "2024-02-30T10:00:00": None,
            },
        ),
        (
            "{value: at, format: dd.MM.yyyy HH:mm, zone: Europe/London}",
            {
                "01.07.2024 12:00": "2024-07-01 11:00:00",
                "31.03.2024 01:30": None,
                "27.10.2024 01:30": "2024-10-27 00:30:00",
                "07/01/2024 12:00": None,
            },
        ),
        ("{value: at, format: dd/MMM/yyyy:HH:mm:ss Z}", {"03/Oct/2022:21:59:42 +0200": "2022-10-03 19:59:42"}),
        (
            "{value: at, format: 'yyyy-MM-dd HH:mm[:ss][XXX]', zone: Europe/Berlin}",
            {
                "2024-05-16 10:00": "2024-05-16 08:00:00",
                "2024-05-16 10:00:01Z": "2024-05-16 10:00:01",
                "2024-05-16 10:00+05:00": "2024-05-16 05:00:00",
            },
        ),
        ("{value: at, format: \"yyyy-MM-dd'T'HH:mm\", zone: Europe/Berlin}", {"2024-05-16T10:00": "2024-05-16 08:00:00"}),
        ("{value: at, format: \"yyyy-MM-dd'T'HH:mm:ss'Z'\", zone: Europe/Berlin}", {"2024-05-16T10:00:00Z": "2024-05-16 10:00:00"}),
    ],
)
def test_a_time_is_read_as_declared_or_told(run, land, declared, times):
    got = run(
        EVENTS_CSV.replace(COLUMN, f"event_at: {declared}"),
        land({"2024-03-01.csv": HEADER + "".join(f"1,10,view,{text},5\n" for text in times)}),
    )
    assert [None if row.event_at is None else str(row.event_at) for row in got.rows] == list(times.values())
    assert got.problems() == [[] if time else ["bad_event_at"] for time in times.values()]


def test_a_day_without_a_time_begins_in_the_zone_and_keeps_its_day(run, land):
    source = EVENTS_CSV.replace(COLUMN, "event_at: at, source_order: price").replace("price: price", "rating: price") + "day_only: true\n"
    got = run(source, land({"2024-03-01.csv": HEADER + "1,10,view,2024-07-01,5\n1,10,view,2024-07-32,4\n"}), zone="Europe/London")
    assert [(str(row.event_at), str(row.event_date), row.is_day_only, row.source_order) for row in got.rows] == [
        ("2024-06-30 23:00:00", "2024-07-01", True, 5),
        ("None", "None", True, 4),
    ]
    assert got.problems() == [[], ["bad_event_at"]]


def test_the_day_of_an_event_is_one_of_the_shop(run, land):
    got = run(EVENTS_CSV, land({"2024-03-01.csv": HEADER + "1,10,view,1709254800,5\n"}), zone="America/New_York")
    assert str(got.rows[0].event_date) == "2024-02-29"


def test_a_number_without_a_unit_is_an_error_of_its_key(run, land):
    with pytest.raises(UsageError, match=r"columns.event_at: is a number; expected unit: seconds, milliseconds, micro"):
        run(EVENTS_CSV.replace(COLUMN, "event_at: try_cast(at as bigint)"), land({"2024-03-01.csv": HEADER}))


def test_a_pattern_that_is_none_is_an_error_of_its_key(run, land):
    with pytest.raises(UsageError, match=r"columns.event_at.format: raises INVALID_DATETIME_PATTERN"):
        run(EVENTS_CSV.replace(COLUMN, "event_at: {value: at, format: yyyy-QQ-bb}"), land({"2024-03-01.csv": HEADER}))
