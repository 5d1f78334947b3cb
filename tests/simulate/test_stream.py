"""The simulated stream: the same for any size and partitioning, shaped like a shop's, with the truth that was planted."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from clickmill.simulate import responses, stream
from clickmill.simulate.visits import LONGEST_SILENCE_S, SHORTEST_ABSENCE_S, keeps_weekends, peak_hour
from clickmill.simulate.world import World

WORLD = World(seed=11, days=14)
USERS = 2_000


BY = ["user_number", "session_number", "at_ms", "event_key"]


@pytest.fixture(scope="module")
def events(spark: SparkSession) -> pd.DataFrame:
    return stream.true_events(spark, WORLD, USERS).toPandas().sort_values(BY, ignore_index=True)


def test_ten_times_the_users_hold_the_first_ones_unchanged(spark: SparkSession, events: pd.DataFrame) -> None:
    few = stream.true_events(spark, WORLD, stream.USERS_A_BLOCK).toPandas().sort_values(BY, ignore_index=True)
    first = events[events.user_number < stream.USERS_A_BLOCK].reset_index(drop=True)
    pd.testing.assert_frame_equal(few, first)
    other = stream.true_events(spark, World(seed=12, days=14), stream.USERS_A_BLOCK).toPandas()
    assert set(other.event_key).isdisjoint(few.event_key) and events.event_key.is_unique


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_sessions_have_the_lengths_of_a_real_shop(spark: SparkSession, seed: int) -> None:
    human = stream.true_events(spark, World(seed=seed, days=28), 1_500).where("bot_family = 0")
    sizes = human.groupBy("user_number", "session_number").count().toPandas()["count"]
    assert 5 <= sizes.median() <= 7 and 58 <= sizes.quantile(0.95) <= 68 and sizes.max() <= 500


def test_silences_stay_below_the_gap_and_absences_above_it_with_some_of_each_beside_it(events: pd.DataFrame) -> None:
    human = events[events.bot_family == 0]
    of_session = human.groupby(["user_number", "session_number"]).at_ms
    silence = of_session.diff().dropna()
    assert (silence <= LONGEST_SILENCE_S * 1000 + 1).all() and (silence > 1_600_000).sum() > 20
    spans = of_session.agg(["min", "max"]).reset_index().sort_values(["user_number", "min"])
    absence = spans["min"] - spans.groupby("user_number")["max"].shift()
    assert (absence.dropna() >= SHORTEST_ABSENCE_S * 1000 - 1).all() and len(absence.dropna()) > 1_000
    assert (absence < 2_000_000).sum() > 20


def test_a_few_machines_make_a_good_part_of_the_events(events: pd.DataFrame) -> None:
    machines = events[events.bot_family > 0]
    assert 0.01 <= machines.user_number.nunique() / USERS <= 0.03
    assert 0.2 <= len(machines) / len(events) <= 0.4
    assert set(machines.bot_family) == {1, 2} and not machines.has_account.any()


def test_items_follow_a_law_of_few_and_habits_and_users_keep_their_tastes(events: pd.DataFrame) -> None:
    views = events[(events.event_type == "item_view") & (events.bot_family == 0)]
    counts = views.item.value_counts()
    assert counts.head(50).sum() > 0.1 * len(views) and (counts == 1).sum() > 50
    before = views.groupby(["user_number", "session_number"]).item.shift()
    follows = [item in WORLD.followers[int(last)] for item, last in zip(views.item[before.notna()], before.dropna(), strict=True)]
    assert 0.3 < np.mean(follows) < 0.45
    own = responses.taste(WORLD, views.user_number.to_numpy(), views.item.to_numpy(dtype=np.int64))
    others = responses.taste(WORLD, np.roll(views.user_number.to_numpy(), 5_000), views.item.to_numpy(dtype=np.int64))
    assert own.mean() > others.mean() + 0.3


def test_people_keep_hours_and_weekdays(events: pd.DataFrame) -> None:
    human = events[events.bot_family == 0]
    hour = (human.at_ms // 3_600_000) % 24
    assert (hour == 20).sum() > 4 * (hour == 4).sum()
    first = human.groupby(["user_number", "session_number"]).at_ms.min().reset_index()
    first["weekend"] = (first.at_ms // 86_400_000 + WORLD.first_day.weekday()) % 7 >= 5
    keeps = keeps_weekends(WORLD, first.user_number.to_numpy())
    assert first.weekend[keeps].mean() > 3 * first.weekend[~keeps].mean()
    night = abs(((hour.to_numpy() - peak_hour(WORLD, human.user_number.to_numpy()) + 12) % 24) - 12)
    assert np.median(night) < 3, "hours from the one around which the user comes"


def test_clicks_follow_examination_by_position_and_ads_say_their_propensity(events: pd.DataFrame) -> None:
    human = events[events.bot_family == 0]
    shown, clicked = (human[human.event_type == kind].groupby("position").size() for kind in ("impression", "click"))
    rates = (clicked / shown).to_numpy()
    assert shown.nunique() == 1 and rates[0] > 0.05
    assert np.allclose(rates / rates[0], responses.EXAMINATION / responses.EXAMINATION[0], atol=0.12)
    ads, by_chance = human[human.event_type == "impression"], human[human.event_type != "impression"]
    assert by_chance.propensity[by_chance.event_type != "click"].isna().all()
    popular = ads.item.map(pd.Series(WORLD.popularity / WORLD.popularity.sum()))
    assert np.allclose(ads.propensity, 0.3 / WORLD.items + 0.7 * popular)
    # The mean of 1 / propensity over what was drawn is the number of items that could be.
    assert abs((1 / ads.propensity).mean() / WORLD.items - 1) < 0.1


def chances(events: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Human events of a kind, with the probability that held for each as `chance`."""
    rows = events[(events.bot_family == 0) & (events.event_type == kind)].copy()
    rows["chance"] = rows.chance_with.where(rows.is_treated.astype(bool), rows.chance_without)
    return rows


def numbers(column: pd.Series) -> np.ndarray:
    return column.to_numpy(dtype=np.int64)


def test_a_click_has_the_probability_that_its_features_give_at_the_hour_of_the_ad(events: pd.DataFrame) -> None:
    shown = chances(events, "impression")
    hour, place = numbers(shown.at_ms // 3_600_000 % 24), numbers(shown.position)
    assert np.allclose(shown.chance, responses.click_probability(WORLD, numbers(shown.user_number), numbers(shown["item"]), place, hour))
    clicks = (events.event_type == "click").sum()
    assert abs(clicks - shown.chance.sum()) < 4 * np.sqrt((shown.chance * (1 - shown.chance)).sum())


def test_carts_and_orders_are_as_many_as_their_probabilities_say(events: pd.DataFrame) -> None:
    views, carts = chances(events, "item_view"), chances(events, "add_to_cart")
    assert abs(len(carts) - views.chance.sum()) < 4 * np.sqrt((views.chance * (1 - views.chance)).sum())
    assert (views.chance_with >= views.chance_without).all() and (carts.chance_with >= carts.chance_without).all()
    wanted = carts[carts.outcome != "not_bought"]
    assert abs(len(wanted) - carts.chance.sum()) < 4 * np.sqrt((carts.chance * (1 - carts.chance)).sum())


def test_what_a_cart_led_to_is_its_purchase_or_the_reason_why_there_is_none(events: pd.DataFrame) -> None:
    carts, purchases = (events[events.event_type == kind] for kind in ("add_to_cart", "purchase"))
    assert events.outcome[events.event_type != "add_to_cart"].isna().all()
    of = dict(list(carts.groupby("outcome")))
    lost = ("no_visit", "sold_out", "in_order_already")
    assert of.keys() == {"bought", "not_bought", *lost} and len(carts) == sum(map(len, of.values()))
    # Each purchase is of one cart that was bought, by the same user.
    pairs = {"carts": of["bought"], "purchases": purchases}
    by_user = {name: sorted(zip(rows.user_number, rows["item"], strict=True)) for name, rows in pairs.items()}
    assert by_user["carts"] == by_user["purchases"] and len(purchases) > 1_000
    last = events.groupby("user_number").session_number.max()
    left = of["no_visit"].user_number.map(last) - of["no_visit"].session_number
    assert (left <= 2).all() and (left == 0).mean() > 0.5, "visits that the user has left"
    first, end = WORLD.sold_out
    assert (first < end)[numbers(of["sold_out"]["item"])].all()
    assert set(zip(of["in_order_already"].user_number, of["in_order_already"]["item"], strict=True)) <= set(by_user["purchases"])


def test_most_is_bought_at_once_a_fifth_in_the_next_visit_and_a_twentieth_in_the_one_after(events: pd.DataFrame) -> None:
    last = events.groupby("user_number").session_number.max()
    pair = ["user_number", "item"]
    carts, purchases = events[events.outcome == "bought"], events[events.event_type == "purchase"]
    # Of what a user bought once it is known which cart it came from.
    once = [rows[~rows.duplicated(pair, keep=False)] for rows in (carts, purchases)]
    both = once[0].merge(once[1], on=pair, suffixes=("", "_of_purchase"))
    both = both[both.user_number.map(last) - both.session_number >= 2]
    visits_later = both.session_number_of_purchase - both.session_number
    shares = [(visits_later == later).mean() for later in (0, 1, 2)]
    assert np.allclose(shares, [0.75, 0.2, 0.05], atol=4 * np.sqrt(0.75 * 0.25 / len(both))) and len(both) > 500
    assert abs(shares[2] - 0.05) < 0.03


def test_ratings_follow_the_taste_of_who_gives_them(events: pd.DataFrame) -> None:
    reviews = events[events.event_type == "review"]
    fit = responses.taste(WORLD, numbers(reviews.user_number), numbers(reviews["item"]))
    assert len(reviews) > 200 and np.corrcoef(fit, numbers(reviews.rating))[0, 1] > 0.4


def test_a_coupon_adds_its_log_odds_for_those_who_have_it(events: pd.DataFrame) -> None:
    carts = chances(events, "add_to_cart")
    users = numbers(carts.user_number)
    added = (np.log(carts[name] / (1 - carts[name])) for name in ("chance_with", "chance_without"))
    assert np.allclose(next(added) - next(added), responses.coupon_uplift(WORLD, users))
    assert np.array_equal(carts.is_treated.astype(bool), responses.treated(WORLD, users))
    assert 0.45 < (responses.coupon_uplift(WORLD, np.arange(5_000)) > 0).mean() < 0.55


def test_a_campaign_adds_its_log_odds_once_one_of_its_audience_has_seen_an_ad_of_it(events: pd.DataFrame) -> None:
    views = chances(events, "item_view")
    users, campaign = numbers(views.user_number), WORLD.campaigns[numbers(views["item"])]
    added = (np.log(views[name] / (1 - views[name])) for name in ("chance_with", "chance_without"))
    assert np.allclose(next(added) - next(added), responses.campaign_uplift(WORLD, users, campaign))
    named = events[(events.event_type == "impression") & events.campaign.notna()]
    first_ms = named.groupby(["user_number", "campaign"]).at_ms.min()
    seen_ms = first_ms.reindex(pd.MultiIndex.from_arrays([users, campaign])).to_numpy()
    expected = numbers(views.at_ms) > seen_ms  # false where nothing was seen
    assert (expected == views.is_treated.astype(bool).to_numpy()).mean() > 0.9999 and 0.3 < expected.mean() < 0.7


def test_a_campaign_names_itself_to_its_audience_and_to_nobody_else(events: pd.DataFrame) -> None:
    users, campaign = np.repeat(np.arange(5_000), 3), np.tile(np.arange(3), 5_000)
    assert 0.78 < responses.in_audience(WORLD, users, campaign).mean() < 0.82
    assert 0.48 < (responses.campaign_uplift(WORLD, users, campaign) > 0).mean() < 0.52
    ads = events[(events.event_type == "impression") | (events.event_type == "click")]
    of_item = WORLD.campaigns[numbers(ads["item"])]
    expected = np.where(responses.in_audience(WORLD, numbers(ads.user_number), of_item), of_item, -1)
    assert np.array_equal(numbers(ads.campaign.fillna(-1)), expected)
    assert events.campaign[~events.index.isin(ads.index)].isna().all() and set(expected) == {-1, 0, 1, 2}


def test_a_click_leads_to_the_page_of_its_item_and_what_is_bought_there_names_the_impression(events: pd.DataFrame) -> None:
    ad = ["user_number", "request_key", "position", "item"]
    by_kind = {kind: events[(events.event_type == kind) & events.request_key.notna()] for kind in ("impression", "click", "item_view")}
    led = {kind: set(map(tuple, rows[ad].to_numpy(dtype=np.int64))) for kind, rows in by_kind.items()}
    assert led["click"] == led["item_view"] < led["impression"]
    bought = events[(events.event_type == "purchase") & events.request_key.notna()]
    assert len(bought) > 20 and set(map(tuple, bought[ad].to_numpy(dtype=np.int64))) < led["click"]


def test_an_order_is_of_one_visit_holds_an_item_once_and_is_named_by_what_comes_of_it(events: pd.DataFrame) -> None:
    bought = events[events.event_type == "purchase"]
    assert (bought.groupby("order_key").session_number.nunique() == 1).all() and (bought.groupby("order_key").at_ms.nunique() == 1).all()
    assert not bought.duplicated(["order_key", "item"]).any() and (bought.groupby("order_key").size() > 1).mean() > 0.2
    assert (bought.groupby(["user_number", "session_number"]).order_key.nunique() == 1).all()
    lines = set(zip(bought.order_key, bought["item"], strict=True))
    after = events[events.event_type.isin(["refund", "review"])]
    assert len(after) > 100 and set(zip(after.order_key, after["item"], strict=True)) <= lines


def test_nothing_is_bought_while_it_is_sold_out(events: pd.DataFrame) -> None:
    first, end = WORLD.sold_out
    assert 0.06 < (first < end).mean() < 0.10 and WORLD.in_stock(np.arange(WORLD.items), first).mean() == (first == end).mean()
    bought = events[events.event_type == "purchase"]
    item, day = bought.item.to_numpy(dtype=np.int64), (bought.at_ms // 86_400_000).to_numpy()
    assert not ((day >= first[item]) & (day < end[item])).any() and len(bought) > 500


def test_the_number_of_users_makes_about_the_events_that_were_asked_for(events: pd.DataFrame) -> None:
    assert abs(len(events) / (USERS * WORLD.days * stream.EVENTS_A_USER_DAY) - 1) < 0.15
    assert stream.users_for(10, 14) == 250 and stream.users_for(1_000_000, 14) == 12_750
    assert WORLD.first_day == date(2024, 3, 1)
