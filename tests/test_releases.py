"""Releases: what is served is always one release whole, a bad one is refused with its reason, and any listed one comes back."""

from datetime import date, timedelta

import pytest
from typer.testing import CliRunner

import clickmill
from builders import DAY, NEXT_DAY
from clickmill import audit, cli, config, execution, lineage, locks, querying, releases, terminal
from clickmill.contracts.days import Days
from clickmill.contracts.errors import GateRefused, UsageError
from clickmill.contracts.reached import Reached
from clickmill.contracts.tables import RECOMMENDATIONS, RELEASES, SERVED, USERS_WITHOUT_LIST
from clickmill.lake import Lake
from clickmill.ledger import Ledger
from clickmill.releases import Releases
from released import publishes

pytestmark = pytest.mark.usefixtures("no_gate")


@pytest.fixture
def conf(lake: Lake) -> config.Config:
    return config.load("test", {"lake.root": lake.root})


def publish(lake: Lake, conf: config.Config, job, day: date = DAY) -> str:
    return execution.execute(job, conf, Days(day, day), lake.spark).run_id


def served(lake: Lake) -> dict[str, set[tuple]]:
    """Release and user of every row that a reader of the newest versions gets, by table."""
    return {table.name: {(row.release_id, row.user_id) for row in lake.read(table).collect()} for table in SERVED}


def by_hand(lake: Lake, act) -> releases.Release:
    known = Releases(lake)
    with locks.held(lake.locks(), [table.name for table in SERVED], "by hand") as hold:
        return act(known, hold)


def test_a_release_is_staged_then_served_and_names_the_version_of_every_table(lake, conf) -> None:
    first = publish(lake, conf, publishes(3, without=1))
    assert served(lake) == {RECOMMENDATIONS.name: {(first, f"u{n}") for n in range(3)}, USERS_WITHOUT_LIST.name: {(first, "w0")}}
    rows = Releases(lake).rows
    assert [(row.number, row.state) for row in rows] == [(1, "approved"), (2, "served")]
    heads = {table.name: lake.head(table) for table in SERVED}
    assert rows[0].versions == rows[1].versions == heads, "what was decided is what came of it"
    assert rows[1].row_counts == {RECOMMENDATIONS.name: 3, USERS_WITHOUT_LIST.name: 1}
    admitted = Ledger(lake).admitted(RECOMMENDATIONS)[DAY]
    assert (admitted.version, admitted.row_count, admitted.run_id) == (heads[RECOMMENDATIONS.name], 3, first)
    note = lake.note(RECOMMENDATIONS)
    assert (note["release_id"], note["run_id"], note["code_version"]) == (first, first, admitted.code_version)


def test_a_release_that_breaks_a_rule_is_refused_and_its_rows_wait_to_be_looked_at(lake, conf, real_gate) -> None:
    first = publish(lake, conf, publishes(3))
    with pytest.raises(
        GateRefused, match=rf"release (\w+) is refused, {first} of 2024-05-16 stays served: .*rank_below_one: 4 rows; clickmill"
    ):
        publish(lake, conf, publishes(4, day=NEXT_DAY, rank=0), NEXT_DAY)
    assert served(lake)[RECOMMENDATIONS.name] == {(first, f"u{n}") for n in range(3)}
    refused = Releases(lake).rows[-1]
    assert refused.state == "refused" and "rank_below_one: 4 rows" in str(refused.reason)
    assert refused.row_counts == {RECOMMENDATIONS.name: 4, USERS_WITHOUT_LIST.name: 0}
    staged = lake.read(RECOMMENDATIONS.staging(), refused.staged_versions[RECOMMENDATIONS.name])
    assert {row.user_id for row in staged.where(f"release_id = '{refused.release_id}'").collect()} == {"u0", "u1", "u2", "u3"}
    assert NEXT_DAY not in Ledger(lake).admitted(RECOMMENDATIONS)
    with pytest.raises(UsageError, match="cannot be accepted, no reader could trust it"):
        by_hand(lake, lambda known, hold: releases.accept(known, hold, refused.release_id, "I like it"))


@pytest.mark.parametrize(("count", "is_refused"), [(240, False), (241, True), (60, False), (59, True)])
def test_the_size_of_a_table_must_lie_within_a_band_around_the_release_before(lake, count: int, is_refused: bool) -> None:
    before = releases.Release("r1", DAY, row_counts={RECOMMENDATIONS.name: 120, USERS_WITHOUT_LIST.name: 5})
    draft = releases.Release("r2", NEXT_DAY, row_counts={RECOMMENDATIONS.name: count, USERS_WITHOUT_LIST.name: 99})
    told = audit.faults(draft, [], before, lake, row_count_band=2.0, model_floor=0.8)
    assert [line.partition(":")[0] for line in told] == [RECOMMENDATIONS.name] * is_refused


def test_a_site_that_vanishes_among_larger_ones_is_refused(lake, conf) -> None:
    publish(lake, conf, publishes(400, of_second_site=120))
    with pytest.raises(GateRefused, match=rf": {RECOMMENDATIONS.name}: site second: 0 rows, the release before has 120; clickmill"):
        publish(lake, conf, publishes(400, day=NEXT_DAY), NEXT_DAY)


@pytest.mark.parametrize(("high", "is_refused"), [(0.0801, False), (0.0799, True)])
def test_a_site_whose_lists_are_proven_to_reach_less_is_refused(lake, high: float, is_refused: bool) -> None:
    before = releases.Release("r1", DAY, reached={"shop": 0.1})
    sites = [Reached("shop", 0.07, high), Reached("a new site", 0.01, 0.02)]
    told = audit.faults(releases.Release("r2", NEXT_DAY), sites, before, lake, row_count_band=2.0, model_floor=0.8)
    assert [line.partition(":")[0] for line in told] == ["site shop"] * is_refused


def test_a_table_that_asks_more_of_its_readers_is_refused(lake, conf) -> None:
    first = publish(lake, conf, publishes(1))
    staging = lake.path(RECOMMENDATIONS.staging())
    lake.spark.sql(f"alter table delta.`{staging}` set tblproperties ('delta.enableDeletionVectors' = 'true')")
    with pytest.raises(GateRefused, match=r"publish.recommendations_v1: readers need version 3 of the protocol, at most 1"):
        publish(lake, conf, publishes(1))
    refused = Releases(lake).rows[-1].release_id
    with pytest.raises(UsageError, match=r"cannot be accepted, no reader could trust it: publish.recommendations_v1: readers need"):
        by_hand(lake, lambda known, hold: releases.accept(known, hold, refused, "our warehouse can read it"))
    assert served(lake)[RECOMMENDATIONS.name] == {(first, "u0")}


def test_what_was_refused_for_its_size_is_served_once_a_person_accepts_it(lake, conf) -> None:
    publish(lake, conf, publishes(3))
    with pytest.raises(GateRefused, match="201 rows, the release before has 3; at most 2 times more"):
        publish(lake, conf, publishes(201, day=NEXT_DAY), NEXT_DAY)
    refused = Releases(lake).rows[-1].release_id
    by_hand(lake, lambda known, hold: releases.accept(known, hold, refused, "a shop was added"))
    current = Releases(lake).current
    assert current.release_id == refused and str(current.reason).startswith(
        "accepted by hand: a shop was added; it had been refused: publish"
    )
    assert len(served(lake)[RECOMMENDATIONS.name]) == 204
    assert Ledger(lake).admitted(RECOMMENDATIONS)[NEXT_DAY].run_id == refused, "an accepted day is there like any other"
    known = Releases(lake)
    assert next(row.release_id for row in known.listed()) == refused and known.refused() == [], "listed once, as what it is"
    publish(lake, conf, publishes(150, day=NEXT_DAY), NEXT_DAY)


def test_a_rollback_brings_back_all_tables_of_a_release_and_can_be_undone(lake, conf) -> None:
    first = publish(lake, conf, publishes(2, without=1))
    before = served(lake)
    second = publish(lake, conf, publishes(3, day=NEXT_DAY), NEXT_DAY)
    after = served(lake)
    by_hand(lake, lambda known, hold: releases.rollback(known, hold, first))
    assert served(lake) == before
    known = Releases(lake)
    assert (known.current.release_id, known.current.reason) == (first, f"rolled back from {second}")
    assert known.current.versions == {table.name: lake.head(table) for table in SERVED}
    assert [row.release_id for row in known.listed()] == [first, second]
    assert set(querying.admitted(Ledger(lake), RECOMMENDATIONS, known.current)) == {DAY}, "the day after is not there any more"
    with pytest.raises(UsageError, match=f"recommendations_v1 has no day {NEXT_DAY}: release {first} of {DAY} is served"):
        next(lineage.origins(lake, {}, conf, RECOMMENDATIONS, Days(NEXT_DAY, NEXT_DAY)))
    by_hand(lake, lambda known, hold: releases.rollback(known, hold, second))
    assert served(lake) == after
    with pytest.raises(UsageError, match=f"release {second} is served already"):
        by_hand(lake, lambda known, hold: releases.rollback(known, hold, second))
    with pytest.raises(UsageError, match="no release is called r9; there are"):
        by_hand(lake, lambda known, hold: releases.rollback(known, hold, "r9"))


def test_after_a_rollback_the_day_is_told_as_it_is_served_and_by_the_run_that_made_it(lake, conf) -> None:
    first = publish(lake, conf, publishes(2, without=1))
    publish(lake, conf, publishes(3))
    by_hand(lake, lambda known, hold: releases.rollback(known, hold, first))
    admitted = Ledger(lake).admitted(RECOMMENDATIONS)[DAY]
    assert (admitted.run_id, admitted.row_count) == (first, 2) == (first, lake.read(RECOMMENDATIONS).count())
    assert admitted.version == lake.head(RECOMMENDATIONS)
    note = lake.note(RECOMMENDATIONS)
    assert (note["run_id"], note["release_id"], note["code_version"]) == (first, first, clickmill.__version__)


def test_a_served_table_that_was_made_to_ask_more_of_its_readers_is_not_served_again(lake, conf) -> None:
    publish(lake, conf, publishes(2, without=1))
    lake.spark.sql(f"alter table delta.`{lake.path(RECOMMENDATIONS)}` set tblproperties ('delta.enableDeletionVectors' = true)")
    with pytest.raises(GateRefused, match="recommendations_v1: readers need version 3 of the protocol, at most 1 may be asked of them"):
        publish(lake, conf, publishes(3), DAY)


def test_older_lists_do_not_take_the_place_of_newer_ones(lake, conf) -> None:
    publish(lake, conf, publishes(1, day=NEXT_DAY), NEXT_DAY)
    with pytest.raises(UsageError, match="the release of 2024-05-17 is served; one of 2024-05-16 would put older lists in its place"):
        publish(lake, conf, publishes(1))


def test_a_day_on_which_everyone_has_a_list_is_admitted_as_made_by_its_own_run(lake, conf) -> None:
    first = publish(lake, conf, publishes(2))
    second = publish(lake, conf, publishes(2, day=NEXT_DAY), NEXT_DAY)
    nobody = Ledger(lake).admitted(USERS_WITHOUT_LIST)
    assert {day: (one.run_id, one.row_count) for day, one in nobody.items()} == {DAY: (first, 0), NEXT_DAY: (second, 0)}
    assert lake.note(USERS_WITHOUT_LIST)["release_id"] == second and served(lake)[USERS_WITHOUT_LIST.name] == set()


def test_rows_of_the_ledger_of_releases_are_never_changed(lake, conf) -> None:
    publish(lake, conf, publishes(1))
    first = lake.read(RELEASES).collect()
    publish(lake, conf, publishes(1, day=DAY + timedelta(days=1)), NEXT_DAY)
    assert set(map(str, first)) < set(map(str, lake.read(RELEASES).collect()))


def test_releases_are_listed_whatever_a_person_gave_as_a_reason(lake, conf, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(lake, conf, publishes(2))
    with pytest.raises(GateRefused):
        publish(lake, conf, publishes(300, day=NEXT_DAY), NEXT_DAY)
    name = Releases(lake).rows[-1].release_id
    monkeypatch.setattr(terminal.out, "width", 400)
    options = ["--env", "test", "--lake", lake.root]
    with terminal.out.capture() as shown:
        words = ["release", "accept", name, "--because", "stock moved [/sales] [red]"]
        assert CliRunner().invoke(cli.app, [*words, *options]).exit_code == 0
        assert CliRunner().invoke(cli.app, ["releases", *options]).exit_code == 0
    assert shown.get().count("accepted by hand: stock moved [/sales] [red]; it had been refused") == 2
