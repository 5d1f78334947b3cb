"""Impressions cut by time: networks learn from the first days, are chosen by later ones, and are judged by the last."""

from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

from clickmill.contracts.days import Days
from clickmill.contracts.errors import UsageError

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Cuts:
    """The days of each split, by when an impression was known; between two lie the days in which labels of the first become final."""

    train: Days
    valid: Days
    test: Days

    def split(self) -> Column:
        """The split of a row of features.ctr_rows; null where it is of none."""
        return F.coalesce(
            *(F.when(F.col("known_date").between(F.lit(of.first), F.lit(of.last)), name) for name in SPLITS for of in [getattr(self, name)])
        )


def cuts(last: date, *, days: int, valid_days: int, test_days: int, label_wait_days: int) -> Cuts:
    """Cut the `days` days that end with `last`; of the last of them the labels are not final yet, and they are in no split.

    Nothing that a network learns from became known on a day that it is chosen or judged by: neither a row nor a label.

    Raises  UsageError when no day is left to learn from
    """
    wait, day = timedelta(days=label_wait_days), timedelta(days=1)
    test = Days(last - wait - (test_days - 1) * day, last - wait)
    valid_last = test.first - day - wait
    valid = Days(valid_last - (valid_days - 1) * day, valid_last)
    first, train_last = last - (days - 1) * day, valid.first - day - wait
    if train_last < first:
        left = f"{test_days} to judge, {valid_days} to choose and {label_wait_days} for labels after each split"
        raise UsageError(f"export.days: {days} leaves no day to learn from, with {left}")
    return Cuts(Days(first, train_last), valid, test)
