"""Landing files of the simulator: what a shop's systems would write, dirt included, with the truth in a folder of its own."""

import json
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from clickmill.simulate import dirt, landing
from clickmill.simulate.world import World

WORLD = World(seed=5, days=6)


@pytest.fixture(scope="module")
def written(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    out = tmp_path_factory.mktemp("simulated") / "shop"
    made = landing.write(spark, seed=5, days=6, events=20_000, out=str(out))
    assert made.landing == f"{out}/landing" and made.truth == f"{out}-truth"
    return out, spark.read.parquet(f"{made.truth}/deliveries").toPandas()


def lines(out: Path, glob: str) -> list[str]:
    return [line for path in sorted((out / "landing").glob(glob)) for line in path.read_text().splitlines()]


def test_each_day_has_its_file_some_have_a_late_one_and_one_comes_twice(written) -> None:
    out, truth = written
    names = sorted(path.name for path in (out / "landing").iterdir())
    assert {name.split(".")[0] for name in names if name.startswith("events")} == {f"events-2024-03-0{day}" for day in range(1, 7)}
    assert any(name.startswith("late-") for name in names) and not any(name.startswith(".") for name in names)
    again = [name for name in names if ".again." in name]
    assert again == ["events-2024-03-02.again.jsonl"]
    assert (out / "landing" / again[0]).read_bytes() == (out / "landing" / "events-2024-03-02.jsonl").read_bytes()
    assert len(lines(out, "*.jsonl")) - len(lines(out, "*.again.jsonl")) == len(truth)


def test_a_line_says_nothing_of_what_is_true_of_it(written) -> None:
    out, _ = written
    parsed = [json.loads(line) for line in lines(out, "events-2024-03-03*.jsonl") if line.endswith("}")]
    keys = {key for one in parsed for key in one}
    assert keys <= {
        "event_id", "site_id", "event_type", "event_at", "received_at", "source_order", "visitor_id", "account_id", "item_id", "quantity",
        "price", "currency", "order_id", "campaign_id", "rating", "review_text", "query", "page_url", "category", "device", "request_id",
        "impression_id", "placement", "position", "propensity", "experiment", "variant",
    }  # fmt: skip
    assert {one["site_id"] for one in parsed} == {"shop"} and all(len(one["item_id"]) == 10 for one in parsed if "item_id" in one)


def test_the_truth_names_the_impression_behind_an_order_and_what_moves_each_user_and_item(spark: SparkSession, written) -> None:
    out, truth = written
    shown = set(truth.impression_id[truth.event_type == "impression"])
    bought = truth[(truth.event_type == "purchase") & truth.impression_id.notna()]
    assert len(bought) and set(bought.impression_id) <= shown and truth.order_id[truth.event_type == "refund"].notna().all()
    assert set(truth.outcome[truth.event_type == "add_to_cart"]) > {"bought", "not_bought", "no_visit"}
    users, items = (spark.read.parquet(f"{out}-truth/{name}").toPandas() for name in ("users", "items"))
    known = truth[["user_number", "visitor_id", "bot_family"]].drop_duplicates().merge(users, on="user_number", how="left")
    assert (known.visitor_id_x == known.visitor_id_y).all() and (known.bot_family_x == known.bot_family_y).all()
    assert users.campaign_uplift_log_odds.map(len).eq(3).all() and users.taste.map(len).eq(8).all()
    assert len(items) == WORLD.items and list(items.taste[7]) == WORLD.vectors[7].tolist()
    seed, days, version = spark.read.json(f"{out}-truth/world").select("seed", "days", "version").first()
    assert (seed, days) == (5, 6) and version


def test_a_reloaded_order_is_written_another_way(written) -> None:
    out, truth = written
    reloaded = set(truth.event_id[(truth.delivery == "near_copy") & (truth.event_type == "purchase")])
    parsed = [json.loads(line) for line in lines(out, "*.jsonl") if line.endswith("}")]
    again = [one for one in parsed if one.get("event_id") in reloaded]
    assert again and all("source_order" not in one and len(one["price"].split(".")[1]) == 4 for one in again)


def test_a_review_says_its_rating_in_words_that_no_other_rating_has(written) -> None:
    out, _ = written
    parsed = [json.loads(line) for line in lines(out, "*.jsonl") if line.endswith("}")]
    said = {(one["rating"], one["review_text"]) for one in parsed if one["event_type"] == "review"}
    assert said <= set(enumerate(landing.REVIEWS, 1)) and {5, 4, 3} <= {rating for rating, _ in said}
    assert len(set(landing.REVIEWS)) == 5


def test_the_dirt_has_its_shares_and_each_delivery_one_fate(written) -> None:
    _, truth = written
    originals = truth[truth.delivery == "original"]
    shares = originals.fate.value_counts(normalize=True)
    assert abs(shares["exact_copy"] - dirt.EXACT_COPIES) < 0.006 and abs(shares["malformed"] - dirt.MALFORMED) < 0.002
    assert abs(shares["near_copy"] - dirt.NEAR_COPIES) < 0.006 and abs(originals.is_late.mean() - dirt.LATE) < 0.006
    assert set(shares.index) == {"kept", "exact_copy", "near_copy", "malformed", "outlier", "no_item", "no_visitor", "no_time"}
    copies = truth[truth.delivery != "original"]
    assert (copies.event_id == copies.of_event_id).tolist() == (copies.delivery == "exact_copy").tolist()
    assert originals.event_id.is_unique and set(copies.of_event_id) <= set(originals.event_id)


def test_the_catalogue_lands_on_the_first_day_and_what_sold_out_or_came_again_on_its_own(written) -> None:
    out, _ = written
    first, end = WORLD.sold_out
    for day in range(1, WORLD.days):
        changed = [json.loads(line) for line in (out / "items" / f"items-2024-03-0{day + 1}.jsonl").read_text().splitlines()]
        gone, back = ({f"{item:010d}" for item in ((days == day) & (first < end)).nonzero()[0]} for days in (first, end))
        assert {one["item_id"] for one in changed if one["stock"] == 0} == gone and gone
        assert {one["item_id"] for one in changed if one["stock"] == landing.FULL_STOCK} == back
    states = [json.loads(line) for line in (out / "items" / "items-2024-03-01.jsonl").read_text().splitlines()]
    assert len(states) == WORLD.items and states[7]["item_id"] == "0000000007"
    assert float(states[7]["price"]) == WORLD.prices[7] and states[7]["category"] == f"category {WORLD.categories[7]}"


def test_the_same_world_is_written_the_same(spark: SparkSession, written, tmp_path: Path) -> None:
    out, _ = written
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    landing.write(spark, seed=5, days=6, events=20_000, out=str(tmp_path / "shop"))
    assert lines(tmp_path / "shop", "*.jsonl") == lines(out, "*.jsonl")
