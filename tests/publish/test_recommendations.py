"""Lists: what rules take away, what fills up, who gets none, and ranks without holes."""

from datetime import date, datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession

from builders import DAY, frame
from clickmill.contracts.errors import BadData
from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import CANDIDATES, INTERACTIONS, ITEMS, RECOMMENDATIONS, USERS, USERS_WITHOUT_LIST
from clickmill.publish import balance
from clickmill.publish import recommendations as lists
from models.rows import interaction
from publish.rows import als, item, popular, user

Lists = dict[tuple[str, str], list[str]]


def publish(
    spark: SparkSession,
    candidates: list[dict[str, Any]],
    *,
    bought: list[dict[str, Any]] | None = None,
    items: list[dict[str, Any]] | None = None,
    users: list[dict[str, Any]] | None = None,
    length: int = 2,
    excludes_bought: bool = True,
    zone: str = "UTC",
    model: str = "als",
) -> tuple[Lists, dict[str, Any], list[Any]]:
    kept = lists.bought(frame(spark, INTERACTIONS, bought or []))
    gone = lists.sold_out(frame(spark, ITEMS, items or []), as_of=DAY, zone=zone)
    silent = lists.without_consent(frame(spark, USERS, users or []), as_of=DAY, zone=zone)
    judged = lists.judged(frame(spark, CANDIDATES, candidates), kept=kept, gone=gone, silent=silent, excludes_bought=excludes_bought)
    choice = judged.select("site_id").distinct().selectExpr("site_id", f"'{model}' as model", "'als: proven' as why", "false as is_refused")
    made = lists.recommendations(judged, choice, kept=kept, list_length=length, excludes_bought=excludes_bought, release_id="r1")
    rows = made.orderBy(*RECOMMENDATIONS.key).collect()
    found: Lists = {}
    for row in rows:
        found.setdefault((row.site_id, row.user_id), []).append(f"{row.item_id} {row.source}")
        assert row.rank == len(found[row.site_id, row.user_id])
    without = lists.users_without_list(judged, made, release_id="r1")
    counts = balance.counts(made, without, judged, choice)
    told = {(row.user_id, row.user_id_kind): row.reason for row in without.collect()}
    return found, counts | {"without": told}, rows


def test_own_candidates_come_first_and_popular_items_fill_up_without_repeating(spark: SparkSession) -> None:
    candidates = [*als("ann", "i1", "i2", "i3"), *als("bob", "i4"), *popular("i4", "i5", "i6", "i7")]
    found, counts, _ = publish(spark, candidates, length=3)
    assert found == {
        ("shop", "*"): ["i4 popular", "i5 popular", "i6 popular"],
        ("shop", "ann"): ["i1 als", "i2 als", "i3 als"],
        ("shop", "bob"): ["i4 als", "i5 popular", "i6 popular"],
    }
    assert counts["personal lists"] == 2
    assert counts["lists for unknown users"] == 1
    assert counts["personal lists filled up with popular items"] == 1


def test_what_was_bought_and_kept_is_left_out_of_own_and_popular_items(spark: SparkSession) -> None:
    candidates = [*als("ann", "i1", "i2"), *popular("i3", "i4")]
    bought = [
        interaction("ann", "i1"),
        interaction("ann", "i3"),
        interaction("ann", "i2"),
        interaction("ann", "i2", -8.0, day=date(2024, 5, 17)),
    ]
    found, counts, _ = publish(spark, candidates, bought=bought)
    assert found["shop", "ann"] == ["i2 als", "i4 popular"]
    assert found["shop", "*"] == ["i3 popular", "i4 popular"]
    assert counts["candidates taken away as bought"] == 1
    with_bought, counts, rows = publish(spark, candidates, bought=bought, excludes_bought=False)
    assert with_bought["shop", "ann"] == ["i1 als", "i2 als"]
    assert counts["candidates taken away as bought"] == 0
    assert {row.item_id: row.reason for row in rows if row.user_id == "ann"} == {"i1": "bought before", "i2": "chosen for you"}


def test_what_another_site_or_kind_of_user_bought_bars_nothing(spark: SparkSession) -> None:
    bought = [interaction("ann", "i1", site_id="other"), interaction("ann", "i1", user_id_kind="visitor")]
    assert publish(spark, als("ann", "i1"), bought=bought)[0] == {("shop", "ann"): ["i1 als"]}


def test_the_state_at_the_end_of_the_day_says_what_is_sold_out(spark: SparkSession) -> None:
    items = [
        item("gone", 3, valid=datetime(2024, 5, 1)),
        item("gone", 0, valid=datetime(2024, 5, 16, 23, 59, 59)),
        item("back", 0, valid=datetime(2024, 5, 1)),
        item("back", 1, valid=datetime(2024, 5, 2)),
        item("unsure", None, valid=datetime(2024, 5, 2)),
        item("tomorrow", 0, valid=datetime(2024, 5, 17)),
        item("elsewhere", 0, valid=datetime(2024, 5, 2), site_id="other"),
    ]
    names = ["gone", "back", "unsure", "tomorrow", "elsewhere", "unlisted"]
    found, counts, _ = publish(spark, [*als("ann", *names), *popular(*names)], items=items, length=6)
    assert found["shop", "ann"] == [f"{name} als" for name in names[1:]]
    assert found["shop", "*"] == [f"{name} popular" for name in names[1:]]
    assert counts["candidates taken away as out of stock"] == 1


def test_the_day_ends_in_the_zone_of_the_shop(spark: SparkSession) -> None:
    items = [item("i1", 0, valid=datetime(2024, 5, 17, 3, 59, 59)), item("i2", 0, valid=datetime(2024, 5, 17, 4))]
    assert publish(spark, als("ann", "i1", "i2"), items=items, zone="America/New_York")[0] == {("shop", "ann"): ["i2 als"]}


def test_a_correction_that_became_known_later_wins_for_the_same_instant(spark: SparkSession) -> None:
    valid = datetime(2024, 5, 1)
    items = [item("i1", 0, valid=valid, known=datetime(2024, 5, 3)), item("i1", 5, valid=valid, known=datetime(2024, 5, 4))]
    items += [item("i1", 0, valid=valid, known=datetime(2024, 5, 17))]
    assert publish(spark, als("ann", "i1"), items=items)[0] == {("shop", "ann"): ["i1 als"]}


def test_an_account_without_consent_gets_no_list_and_is_counted(spark: SparkSession) -> None:
    users = [
        user("ann", True, valid=datetime(2024, 5, 1)),
        user("ann", False, valid=datetime(2024, 5, 2)),
        user("bob", False, valid=datetime(2024, 5, 1)),
        user("bob", True, valid=datetime(2024, 5, 2)),
        user("cat", None, valid=datetime(2024, 5, 2)),
    ]
    candidates = [*als("ann", "i1"), *als("bob", "i1"), *als("cat", "i1"), *als("ann", "i1", user_id_kind="visitor"), *popular("i1", "i2")]
    found, counts, rows = publish(spark, candidates, users=users)
    assert {(row.user_id, row.user_id_kind) for row in rows} == {
        ("*", "unknown"),
        ("bob", "account"),
        ("cat", "account"),
        ("ann", "visitor"),
    }
    assert counts["users without consent, without a list"] == 1
    assert counts["users left with an empty list"] == 0
    assert counts["without"] == {("ann", "account"): "no consent"}
    assert found["shop", "bob"] == ["i1 als", "i2 popular"]


def test_users_at_the_edges_of_a_shop_with_four_items(spark: SparkSession) -> None:
    # A bought three of the four, B all; C bought nothing and D was never seen: neither has candidates.
    bought = [interaction("A", name) for name in ("0", "1", "2")] + [interaction("B", name) for name in ("0", "1", "2", "3")]
    candidates = [*als("A", "1", "0", "3", "2"), *als("B", "0", "1", "2", "3"), *popular("0", "1", "2", "3")]
    found, counts, rows = publish(spark, candidates, bought=bought, length=20)
    assert found == {("shop", "*"): ["0 popular", "1 popular", "2 popular", "3 popular"], ("shop", "A"): ["3 als"]}
    assert counts["users left with an empty list"] == 1
    assert counts["without"] == {("B", "account"): "bought or out of stock"}
    assert counts["candidates taken away as bought"] == 7
    assert all(abs(row.score) < 1e9 for row in rows)


def test_a_user_that_has_neither_a_list_nor_a_reason_for_having_none_stops_the_release(spark: SparkSession) -> None:
    nobody = frame(spark, INTERACTIONS, []).select("site_id", "user_id_kind", "user_id", "item_id")
    known = frame(spark, CANDIDATES, [*als("ann", "i1"), *popular("i1")])
    flags = {"gone": nobody.select("site_id", "item_id"), "silent": nobody.select("site_id", "user_id_kind", "user_id")}
    judged = lists.judged(known, kept=nobody, excludes_bought=True, **flags)
    choice = local_frame(spark, [("shop", "als", "proven", False)], "site_id string, model string, why string, is_refused boolean")
    with pytest.raises(BadData, match="the models know 1 users, 0 with a list and 0 with a reason for having none"):
        balance.counts(frame(spark, RECOMMENDATIONS, []), frame(spark, USERS_WITHOUT_LIST, []), judged, choice)


def test_a_row_says_why_by_which_rules_and_from_which_model(spark: SparkSession) -> None:
    candidates = [*als("ann", "i1", because="i9"), *als("bob", "i1"), *popular("i1", "i2")]
    rows = {(row.user_id, row.item_id): row for row in publish(spark, candidates)[2]}
    assert rows["ann", "i1"].reason == "goes with item i9"
    assert rows["bob", "i1"].reason == "chosen for you"
    assert rows["ann", "i2"].reason == "popular now"
    assert (rows["ann", "i1"].model_run_id, rows["ann", "i2"].model_run_id, rows["ann", "i2"].release_id) == ("m1", None, "r1")
    assert {row.policy for row in rows.values()} == {"als: proven; then popular; not bought, in stock, with consent; v2"}
    [row] = publish(spark, als("ann", "i1"), excludes_bought=False)[2]
    assert row.policy == "als: proven; then popular; in stock, with consent; v2"


def test_popular_items_fill_up_only_within_their_site(spark: SparkSession) -> None:
    candidates = [*als("ann", "i1"), *popular("o1", site_id="other")]
    assert publish(spark, candidates)[0] == {("other", "*"): ["o1 popular"], ("shop", "ann"): ["i1 als"]}


def test_only_the_chosen_model_s_candidates_make_lists_and_the_others_take_nothing_away(spark: SparkSession) -> None:
    near = als("ann", "i7", "i8", source="item_neighbours", model_run_id="n1") + als("bob", "i7", source="item_neighbours")
    candidates = [*als("ann", "i1", "i2"), *near, *popular("i4", "i5")]
    found, counts, _ = publish(spark, candidates, model="item_neighbours", bought=[interaction("ann", "i1")])
    assert found["shop", "ann"] == ["i7 item_neighbours", "i8 item_neighbours"]
    assert found["shop", "bob"] == ["i7 item_neighbours", "i4 popular"]
    assert counts["sites with lists by item_neighbours"] == 1 and counts["candidates taken away as bought"] == 0


def test_where_popular_items_are_chosen_every_user_gets_them_without_what_it_bought(spark: SparkSession) -> None:
    candidates = [*als("ann", "i1", "i2"), *als("bob", "i2"), *popular("i4", "i5", "i6")]
    found, _, _ = publish(spark, candidates, model="popular", bought=[interaction("ann", "i4")])
    assert found["shop", "ann"] == ["i5 popular", "i6 popular"] and found["shop", "bob"] == ["i4 popular", "i5 popular"]
