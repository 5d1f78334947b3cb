"""Models judged by what users did later: planted tastes are found, everyone is counted, earlier evaluations stay."""

from datetime import date
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from builders import frame
from clickmill import config, river
from clickmill.contracts.days import Days
from clickmill.contracts.errors import BadData
from clickmill.contracts.table import Table
from clickmill.contracts.tables import EVALUATIONS, IDS, INTERACTIONS, ITEMS, USER_EVALUATIONS, USERS
from clickmill.inputs import Inputs, Outputs
from clickmill.lake import Lake
from clickmill.metrics import evaluation
from clickmill.models import ids
from models.rows import interaction

LAST = date(2024, 5, 16)
BEFORE, LATER = date(2024, 5, 8), date(2024, 5, 14)
CHANGES = {"evaluation.test_days": 7, "publish.list_length": 2, "models.als.rank": 4, "models.als.iterations": 4}


def tastes() -> list[dict[str, Any]]:
    """Twelve friends of tea and five of tools buy all but one of the five items of their group; later each buys that one."""
    rows = []
    for group, users in (("tea", 12), ("tools", 5)):
        for user in range(users):
            for item in range(5):
                day = LATER if item == user % 5 else BEFORE
                rows.append(interaction(f"{group} {user}", f"{group} {item}", day=day))
    return rows


def ran(spark: SparkSession, rows: list[dict[str, Any]], changes: dict[str, Any] | None = None, **earlier: Any) -> Outputs:
    conf = config.load("test", CHANGES | (changes or {}))
    inputs = Inputs("attempt", Days(LAST, LAST), conf, Lake(spark, conf.lake.root))
    interactions = frame(spark, INTERACTIONS, rows)
    there: dict[Table, list[dict[str, Any]]] = {table: [] for table in (ITEMS, USERS, EVALUATIONS, USER_EVALUATIONS)}
    inputs.update({table: frame(spark, table, given) for table, given in there.items()} | earlier.get("tables", {}))
    inputs.update({INTERACTIONS: interactions, IDS: ids.new_ids(interactions, frame(spark, IDS, []))})
    inputs.versions = {table.name: 3 for table in inputs}
    job = river.job("evaluate_models")
    assert {read.table for read in job.READS} <= inputs.keys()
    made = job.run(spark, conf, inputs.days, inputs)
    return {table: frame(spark, table, [row.asDict() for row in rows.collect()]) for table, rows in made.items()}


def reached(made: Outputs, metric: str, slice_: str = "all") -> dict[str, float]:
    rows = made[EVALUATIONS].where(f"is_current and metric = '{metric}' and slice = '{slice_}'").collect()
    return {row.model: row.value for row in rows}


@pytest.fixture(scope="module")
def made(spark: SparkSession) -> Outputs:
    # `new` is first seen in the days that judge; `gone` does nothing in them; `back` sends something back, which is no taste.
    new, gone = interaction("new", "tea 2", day=LATER), interaction("gone", "tools 1", day=BEFORE)
    back = interaction("back", "tea 1", -8.0, day=LATER)
    return ran(spark, [*tastes(), new, gone, back, interaction("back", "tea 2", day=BEFORE)])


def test_models_that_find_the_tastes_put_the_missing_item_first_and_popularity_does_not(made: Outputs) -> None:
    for model in ("als", "item_neighbours"):
        assert reached(made, "recall", "known")[model] == reached(made, "mrr", "known")[model] == 1.0, model
    # Two popular items that are not bought: those of tea, so no friend of tools finds the missing one.
    assert reached(made, "recall", "known")["popular"] == pytest.approx(12 / 17)


def test_users_are_counted_by_whether_they_have_a_history(made: Outputs) -> None:
    rows = made[EVALUATIONS].where("metric = 'recall' and model = 'als'").collect()
    assert {row.slice: row.user_count for row in rows} == {"all": 18, "known": 17, "new": 1}
    # A new user is shown the list for unknown users, whatever the model.
    assert reached(made, "recall", "new") == {"als": 1.0, "item_neighbours": 1.0, "popular": 1.0}
    people = {row.user_id: row for row in made[USER_EVALUATIONS].where("model = 'als'").collect()}
    assert "gone" not in people and "back" not in people
    assert (people["new"].is_known, people["tea 3"].is_known, people["tea 3"].target_count) == (False, True, 1)


def test_the_gain_over_popularity_is_paired_by_user(made: Outputs) -> None:
    users = {(row.model, row.user_id): row.ndcg for row in made[USER_EVALUATIONS].where("is_known").collect()}
    gains = [ndcg - users["popular", user] for (model, user), ndcg in users.items() if model == "als"]
    assert reached(made, "ndcg_gain", "known")["als"] == pytest.approx(sum(gains) / len(gains))
    assert "popular" not in reached(made, "ndcg_gain", "known")


def test_two_runs_are_compared_over_the_users_that_both_judged_by_the_same_targets(made: Outputs) -> None:
    als, popular = (made[USER_EVALUATIONS].where(f"model = '{model}'") for model in ("als", "popular"))
    other_targets = als.where("user_id = 'tea 3'").withColumn("target_count", F.lit(2).cast("long"))
    other_day = als.where("user_id = 'tea 4'").withColumn("as_of_date", F.date_add("as_of_date", 1))
    others = als.where("user_id not in ('tea 3', 'tea 4')").unionByName(other_targets).unionByName(other_day)
    rows = evaluation.paired(popular, others).collect()
    [row] = [row for row in rows if (row.slice, row.metric) == ("known", "ndcg")]
    assert row.user_count == 15 and row.value == pytest.approx(row.second - row.first) and row.low < row.value < row.high
    gain = {one.user_id: one.ndcg for one in als.where("is_known").collect()}
    assert row.second == pytest.approx(sum(ndcg for user, ndcg in gain.items() if user not in ("tea 3", "tea 4")) / 15)


def test_everyone_is_judged_by_every_model(made: Outputs, spark: SparkSession) -> None:
    job = river.job("evaluate_models")
    counts = job.check(made, None)  # type: ignore[attr-defined]
    assert counts == {"models judged": 3, "users that judge": 18, "users with a history": 17, "new users": 1}
    short = {**made, USER_EVALUATIONS: made[USER_EVALUATIONS].where("not (model = 'als' and user_id = 'new')")}
    with pytest.raises(BadData, match=r"models were judged by \[17, 18, 18\] users"):
        job.check(short, None)  # type: ignore[attr-defined]


def test_an_evaluation_with_other_parameters_stays_beside_the_new_one_and_the_same_again_replaces_it(
    made: Outputs, spark: SparkSession
) -> None:
    again = ran(spark, tastes(), {"models.als.rank": 3}, tables=made)
    kept = again[EVALUATIONS].where("not is_current").select("model", "model_run_id", "params").distinct().collect()
    assert [row.model for row in kept] == ["als"] and '"rank": 4' in kept[0].params
    assert again[EVALUATIONS].where("is_current").select("model").distinct().count() == 3
    stays = again[USER_EVALUATIONS].where(f"model_run_id = '{kept[0].model_run_id}'")
    assert stays.count() == 18 and again[USER_EVALUATIONS].where("model = 'als'").count() == 18 + 17


def test_without_days_to_learn_from_nothing_is_judged(spark: SparkSession) -> None:
    found = ran(spark, [interaction("ann", "i1", day=LATER)])
    assert found[EVALUATIONS].count() == found[USER_EVALUATIONS].count() == 0
