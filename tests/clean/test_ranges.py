"""Ranges of price and quantity: robust, of earlier days only, the same for any partitioning."""

from datetime import date, timedelta

from pyspark.sql import SparkSession

from builders import DAY, frame, raw_event
from clickmill.clean import ranges
from clickmill.contracts.days import Days
from clickmill.contracts.tables import RAW_EVENTS, VALUE_RANGES


def test_fences_stand_beyond_the_quartiles_of_the_logarithm_rounded_to_two_digits(spark: SparkSession) -> None:
    # Quartiles 10 and 40: their distance is log 4, so with factor 1 the fences are 10 / 4 and 40 x 4.
    rows = [raw_event(event_type="purchase", price=price, currency="EUR") for price in ("10", "10", "20", "40", "40")]
    found = ranges.value_ranges(frame(spark, RAW_EVENTS, rows), factor=1.0).collect()
    assert [(row.measure, row.row_count, row.low, row.high) for row in found] == [("price", 5, 2.5, 160.0)]


def test_equal_prices_still_leave_room_for_a_factor_of_two(spark: SparkSession) -> None:
    rows = [raw_event(event_type="purchase", price="10", quantity=1) for _ in range(4)]
    found = ranges.value_ranges(frame(spark, RAW_EVENTS, rows), factor=1.0).orderBy("measure").collect()
    assert [(row.measure, row.low, row.high) for row in found] == [("price", 5.0, 20.0), ("quantity", 0.5, 2.0)]


def test_one_row_more_and_other_partitions_move_nothing(spark: SparkSession) -> None:
    rows = [raw_event(event_type="purchase", price=f"{price}.0{price % 7}") for price in range(100, 203)]
    more = [*rows, raw_event(event_type="purchase", price="9999999")]
    fences = [
        [(row.low, row.high) for row in ranges.value_ranges(frame(spark, RAW_EVENTS, some).repartition(parts), factor=3.0).collect()]
        for some, parts in ((rows, 1), (rows, 7), (more, 3))
    ]
    assert fences[0] == fences[1] == fences[2]


def a_range(day: date, high: float, row_count: int = 100) -> dict:
    return {
        "site_id": "shop",
        "event_date": day,
        "event_type": "purchase",
        "currency": None,
        "measure": "price",
        "row_count": row_count,
        "low": 1.0,
        "high": high,
    }


def test_a_day_is_bounded_by_the_median_of_earlier_days_and_never_by_itself(spark: SparkSession) -> None:
    days = [DAY - timedelta(days=n) for n in range(4)]
    stood = [
        a_range(days[0], 1e9),
        a_range(days[1], 100.0),
        a_range(days[2], 1e6),
        a_range(days[3], 120.0),
        a_range(days[3] - timedelta(days=1), 5.0),
    ]
    stood += [a_range(days[1] - timedelta(days=30), 7.0)]
    found = ranges.bounds(frame(spark, VALUE_RANGES, stood), Days(DAY, DAY), range_days=3, min_rows=10).collect()
    # 100, 120 and 1 000 000 count; the day itself and what is older than three days do not.
    assert [(row.event_date, row._price_high) for row in found] == [(DAY, 120.0)]


def test_outliers_are_named_and_nothing_is_where_no_earlier_day_says_so(spark: SparkSession) -> None:
    bounds = ranges.bounds(frame(spark, VALUE_RANGES, [a_range(DAY - timedelta(days=1), 100.0)]), Days(DAY, DAY), range_days=3, min_rows=10)
    priced = [(None, "100"), (None, "100.01"), (None, "0.5"), (None, "0"), ("EUR", "5000"), (None, None)]
    rows = [raw_event(event_type="purchase", currency=currency, price=price) for currency, price in priced]
    found = ranges.with_outliers(frame(spark, RAW_EVENTS, rows), bounds).orderBy("ordinal").collect()
    assert [row._price_outlier for row in found] == [False, True, True, False, False, False]
    assert not any(row._quantity_outlier for row in found)
