"""Rows of a run and what the day before carried -> one marked stream: copies found, sessions cut, over one shuffle."""

from dataclasses import dataclass

from pyspark.sql import DataFrame

from clickmill.clean import copies, order, sessions


@dataclass(frozen=True)
class Windows:
    """The silences and windows that cleaning knows, in seconds; conf/base.yaml gives the reason of each."""

    gap_s: int
    dwell_cap_s: int
    copy_horizon_s: int
    near_copy_s: int
    order_copy_s: int


def marked(kept: DataFrame, carried: DataFrame, windows: Windows, *, zone: str) -> DataFrame:
    """Mark copies and cut sessions; the stream may be cut at any midnight, and the rows are those of one pass.

    Grain   one row per row of `kept` and of `carried`
    Needs   kept: rows with is_bot that no rule rejects; carried: clean.open_sessions at the end of the day before
    """
    rows = order.by_visitor(kept, carried, near_copy_s=windows.near_copy_s, order_copy_s=windows.order_copy_s)
    return sessions.with_session_id(
        copies.marked(rows, horizon_s=windows.copy_horizon_s), gap_s=windows.gap_s, dwell_cap_s=windows.dwell_cap_s, zone=zone
    )
