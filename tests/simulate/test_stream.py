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


def test_sessions_have_the_lengths_of_a_real_shop(events: pd.DataFrame) -> None:
    sizes = events[events.bot_family == 0].groupby(["user_number", "session_number"]).size()
    assert 5 <= sizes.median() <= 7 and 58 <= sizes.quantile(0.95) <= 78 and sizes.max() <= 500


def test_sessions_hold_no_long_silence_and_lie_far_apart(events: pd.DataFrame) -> None:
    human = events[events.bot_family == 0]
    of_session = human.groupby(["user_number", "session_number"]).at_ms
    assert (of_session.diff().dropna() <= LONGEST_SILENCE_S * 1000 + 1).all()
    spans = of_session.agg(["min", "max"]).reset_index().sort_values(["user_number", "min"])
    absence = spans["min"] - spans.groupby("user_number")["max"].shift()
    assert (absence.dropna() >= SHORTEST_ABSENCE_S * 1000 - 1).all() and len(absence.dropna()) > 1_000


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
    ads = human[human.event_type == "impression"]
    popular = ads.item.map(pd.Series(WORLD.popularity / WORLD.popularity.sum()))
    assert np.allclose(ads.propensity, 0.3 / WORLD.items + 0.7 * popular)
    # The mean of 1 / propensity over what was drawn is the number of items that could be.
    assert abs((1 / ads.propensity).mean() / WORLD.items - 1) < 0.1


def test_a_coupon_moves_those_it_can_move_and_nobody_else() -> None:
    users = np.arange(20_000)
    uplift, items = responses.coupon_uplift(WORLD, users), np.zeros(20_000, dtype=np.int64)
    with_it, without = (responses.purchase_probability(WORLD, users, items, np.full(20_000, flag)) for flag in (True, False))
    assert np.array_equal(with_it > without, (uplift > 0) & (without < 0.98)) and 0.45 < np.mean(uplift > 0) < 0.55


def test_a_campaign_moves_its_audience_and_names_itself_to_nobody_else(events: pd.DataFrame) -> None:
    users, campaign = np.repeat(np.arange(5_000), 3), np.tile(np.arange(3), 5_000)
    reached, uplift = responses.in_audience(WORLD, users, campaign), responses.campaign_uplift(WORLD, users, campaign)
    items = np.array([np.flatnonzero(WORLD.campaigns == number)[0] for number in campaign])
    plain = 1 / (1 + np.exp(4.4 - 0.9 * responses.taste(WORLD, users, items)))
    assert np.allclose(responses.cart_probability(WORLD, users, items), np.minimum(plain * (1 + uplift * reached), 0.98))
    assert 0.78 < reached.mean() < 0.82 and 0.48 < (uplift > 0).mean() < 0.52
    ads = events[(events.event_type == "impression") | (events.event_type == "click")]
    of_item = WORLD.campaigns[ads.item.to_numpy(dtype=np.int64)]
    expected = np.where(responses.in_audience(WORLD, ads.user_number.to_numpy(), of_item), of_item, -1)
    assert np.array_equal(ads.campaign.fillna(-1).to_numpy(dtype=np.int64), expected)
    assert events.campaign[~events.index.isin(ads.index)].isna().all() and set(expected) == {-1, 0, 1, 2}


def test_nothing_is_bought_while_it_is_sold_out(events: pd.DataFrame) -> None:
    first, end = WORLD.sold_out
    assert 0.06 < (first < end).mean() < 0.10 and WORLD.in_stock(np.arange(WORLD.items), first).mean() == (first == end).mean()
    bought = events[events.event_type == "purchase"]
    item, day = bought.item.to_numpy(dtype=np.int64), (bought.at_ms // 86_400_000).to_numpy()
    # A visit that began the day before may end on the first day.
    assert not ((day > first[item]) & (day < end[item])).any() and len(bought) > 500


def test_the_number_of_users_makes_about_the_events_that_were_asked_for(events: pd.DataFrame) -> None:
    assert abs(len(events) / (USERS * WORLD.days * stream.EVENTS_A_USER_DAY) - 1) < 0.15
    assert stream.users_for(10, 14) == 250 and stream.users_for(1_000_000, 14) == 13_250
    assert WORLD.first_day == date(2024, 3, 1)
