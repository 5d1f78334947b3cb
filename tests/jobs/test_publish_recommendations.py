"""From interactions to lists, through the jobs as they stand: numbers, factors, candidates, lists and their counts."""

from typing import Any

import pytest
from pyspark.sql import SparkSession

from builders import DAY, frame
from clickmill import config, river
from clickmill.contracts.days import Days
from clickmill.contracts.table import Table
from clickmill.contracts.tables import (
    ALS_FACTORS,
    CANDIDATES,
    EVALUATIONS,
    IDS,
    INTERACTIONS,
    ITEMS,
    MODEL_RUNS,
    RECOMMENDATIONS,
    USERS,
    USERS_WITHOUT_LIST,
)
from clickmill.job import Inputs, Outputs
from clickmill.lake import Lake
from models.rows import interaction
from publish.rows import als, judged, popular

DAYS = Days(DAY, DAY)
USERS_AS_WRITTEN = ["1515915625519388267", "1515915625519388268", "17850.0"]
ITEMS_AS_WRITTEN = ["0108775015", "108775015", "21602730330000060100100000358582", "9"]


@pytest.fixture(scope="module")
def conf() -> config.Config:
    return config.load("test", {"models.als.rank": 3, "models.als.iterations": 2, "publish.list_length": 3, "candidates.per_user": 4})


def inputs_of(spark: SparkSession, conf: config.Config, frames: Outputs) -> Inputs:
    inputs = Inputs("attempt", DAYS, conf, Lake(spark, conf.lake.root))
    inputs.update(frames)
    inputs.versions = {table.name: 3 for table in frames}
    return inputs


def ran(spark: SparkSession, conf: config.Config, name: str, inputs: Inputs) -> Outputs:
    job = river.job(name)
    assert {read.table for read in job.READS} <= inputs.keys()
    made = job.run(spark, conf, DAYS, inputs)
    assert set(made) == set(job.WRITES)
    # Written and read back, as the runner does: each frame is computed once.
    return {table: frame(spark, table, [row.asDict() for row in rows.collect()]) for table, rows in made.items()}


def test_ids_come_out_as_written_and_the_edges_of_a_list_hold(spark: SparkSession, conf: config.Config) -> None:
    # The first user bought three of the four items, the second all; "never" bought nothing and sent one back.
    first, second, third = USERS_AS_WRITTEN
    rows = [interaction(first, item) for item in ITEMS_AS_WRITTEN[:3]] + [interaction(second, item) for item in ITEMS_AS_WRITTEN]
    rows += [interaction(third, ITEMS_AS_WRITTEN[0]), interaction("never", "9", -8.0)]
    frames: dict[Table, Any] = {INTERACTIONS: frame(spark, INTERACTIONS, rows)}
    frames |= {table: frame(spark, table, []) for table in (IDS, ITEMS, USERS)}
    frames |= ran(spark, conf, "number_ids", inputs_of(spark, conf, frames))
    trained = inputs_of(spark, conf, frames)
    frames |= ran(spark, conf, "train_als_factors", trained)
    assert river.job("train_als_factors").check(frames, trained) == {"pairs trained on": 8, "pairs left out": 1}  # type: ignore[attr-defined]
    frames |= ran(spark, conf, "find_item_neighbours", inputs_of(spark, conf, frames))
    frames |= ran(spark, conf, "find_candidates", inputs_of(spark, conf, frames))
    frames[EVALUATIONS] = frame(spark, EVALUATIONS, [*judged("als", 0.3, (0.05, 0.15)), *judged("popular", 0.2)])
    published = inputs_of(spark, conf, frames)
    frames |= ran(spark, conf, "publish_recommendations", published)
    counts = river.job("publish_recommendations").check(frames, published)  # type: ignore[attr-defined]

    lists: dict[str, list[tuple[int, str, str]]] = {}
    for row in frames[RECOMMENDATIONS].orderBy("user_id", "rank").collect():
        lists.setdefault(row.user_id, []).append((row.rank, row.item_id, row.source))
        assert row.release_id == "attempt"
    # The item with number 1 is the most popular one.
    assert lists["*"] == [(n + 1, item, "popular") for n, item in enumerate(ITEMS_AS_WRITTEN[:3])]
    assert lists[first] == [(1, "9", "als")]
    assert {item for _, item, _ in lists[third]} == set(ITEMS_AS_WRITTEN[1:])
    assert [rank for rank, _, _ in lists[third]] == [1, 2, 3]
    assert lists.keys() == {"*", first, third}
    assert counts["sites with lists by als"] == 1 and counts["personal lists"] == 2
    assert counts["users left with an empty list"] == 1
    assert [(row.user_id, row.reason) for row in frames[USERS_WITHOUT_LIST].collect()] == [(second, "bought or out of stock")]
    [run] = frames[MODEL_RUNS].collect()
    assert {row.model_run_id for row in frames[ALS_FACTORS].collect()} == {run.model_run_id}


def test_a_model_that_tells_no_users_apart_is_not_published(spark: SparkSession, conf: config.Config) -> None:
    rows = [*popular("i1", "i2"), *(row for n in range(20) for row in als(f"u{n}", "i1", "i2", "i3"))]
    frames = {table: frame(spark, table, []) for table in (INTERACTIONS, ITEMS, USERS)} | {CANDIDATES: frame(spark, CANDIDATES, rows)}
    frames[EVALUATIONS] = frame(spark, EVALUATIONS, [*judged("als", 0.3, (0.05, 0.15)), *judged("popular", 0.2)])
    inputs = inputs_of(spark, conf, frames)
    made = ran(spark, conf, "publish_recommendations", inputs)
    counts = river.job("publish_recommendations").check(made, inputs)  # type: ignore[attr-defined]
    assert (counts["sites with lists by popular"], counts["sites whose models were all refused"]) == (1, 1)
    shown = made[RECOMMENDATIONS].select("source", "policy").distinct().collect()
    assert [row.source for row in shown] == ["popular"]
    assert "ranks the items in the same order for 20 of 20 users; then popular" in shown[0].policy
