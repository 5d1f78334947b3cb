"""How much of the planted truth is found in three shops of one lake, whose seeds nothing was tuned on."""

import shutil

import pytest
from pyspark.sql import SparkSession

from clickmill import config, execution, river, truth
from clickmill.ingest import landings
from clickmill.lake import Lake
from clickmill.simulate import landing
from clickmill.simulate.found import Finding

SEEDS = (5_003, 6_007, 7_027)
NEEDED = ("find_bots", "find_value_ranges", "clean_events", "build_interactions", "number_ids", "evaluate_models")


@pytest.fixture(scope="module")
def findings(spark: SparkSession, no_gate: None, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Finding]]:
    folder = tmp_path_factory.mktemp("truth")
    for seed in SEEDS:
        made = landing.write(spark, seed=seed, days=14, events=40_000, out=str(folder / f"{seed}"), site=f"shop {seed}")
        shutil.copytree(made.landing, folder / "landing" / f"{seed}")
    root = {"lake.root": str(folder / "lake"), "landing.source": "events_jsonl", "landing.path": str(folder / "landing")}
    conf = config.load("test", root)
    days = landings.days(spark, conf.source(), root["landing.path"], zone=conf.shop.zone)
    execution.execute(river.job("ingest_events"), conf, days, spark)
    for one in river.flow(None):
        if execution.name_of(one) in NEEDED:
            execution.execute(one, conf, days, spark)
    lake = Lake(spark, str(folder / "lake"))
    return {
        seed: {one.what: one for one in truth.findings(lake, landing.truth_beside(str(folder / f"{seed}")), conf, days.last)}
        for seed in SEEDS
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_every_floor_holds_for_a_seed_that_nothing_was_tuned_on(findings: dict[int, dict[str, Finding]], seed: int) -> None:
    short = {what: (one.share, one.floor) for what, one in findings[seed].items() if not one.holds}
    assert short == {}
    bounded = {what for what, one in findings[seed].items() if one.floor is not None}
    assert {what.split(",")[0] for what in bounded if "recall@" not in what} == {
        "exact copies", "near copies", "bots", "people called bots", "session boundaries"
    }  # fmt: skip
    assert [what for what in bounded if what.startswith("recall@20 of ")] == ["recall@20 of the model with the best NDCG, of the oracle's"]


def test_there_was_enough_to_find_and_the_second_family_is_counted(findings: dict[int, dict[str, Finding]]) -> None:
    for found in findings.values():
        assert found["exact copies, recall"].count > 800 and found["near copies, recall"].count > 300
        assert found["session boundaries, all pairs of events"].count > 20_000
        assert found["bots of a family no rule was made for, recall"].floor is None
    assert sum(found["bots, recall"].count for found in findings.values()) > 15


def test_a_model_that_learned_tastes_is_nearer_to_the_oracle_than_popularity_and_chance(findings: dict[int, dict[str, Finding]]) -> None:
    way = "recall@20 of that model, of the way from the popular list to the oracle"
    for found in findings.values():
        als, popular, chance = (found[f"recall@20 of {name}, of the oracle's"].share for name in ("als", "popular", "chance"))
        assert als > popular > 5 * chance
    # Half of the oracle's recall is within reach of the popular list; the way from there to the oracle is not.
    assert sum(found[way].share for found in findings.values()) > 0.1 * len(findings)
