"""From candidates to lists: rules take items away, popular ones fill up, ranks have no holes."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import reduce

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.events import USER
from clickmill.contracts.tables import RECOMMENDATIONS, USERS_WITHOUT_LIST

POPULAR = "popular"
NOTHING_LEFT, NO_CONSENT = "bought or out of stock", "no consent"
_POLICY_VERSION = "v2"
_NAMED = (*USER, "candidate_rank")


def bought(interactions: DataFrame) -> DataFrame:
    """Find what each user bought more pieces of than it gave back.

    Grain   one row per user and item
    Needs   features.interactions
    """
    pieces = interactions.groupBy(*USER, "item_id").agg(F.sum(F.col("purchased_quantity") - F.col("refunded_quantity")).alias("_pieces"))
    return pieces.where("_pieces > 0").drop("_pieces")


def sold_out(items: DataFrame, *, as_of: date, zone: str) -> DataFrame:
    """Find the items of which nothing is in stock by their state at the end of the day.

    An item without a state, or whose stock is not known, counts as in stock.

    Grain   one row per item
    Needs   clean.items; (site_id, item_id, valid_from, known_from) unique
    """
    return _in_force(items, "item_id", as_of=as_of, zone=zone).where("stock <= 0").select("site_id", "item_id")


def without_consent(users: DataFrame, *, as_of: date, zone: str) -> DataFrame:
    """Find the accounts that refuse personal recommendations by their state at the end of the day.

    Grain   one row per account
    Needs   clean.users; (site_id, user_id, valid_from, known_from) unique
    """
    refusing = _in_force(users, "user_id", as_of=as_of, zone=zone).where("NOT has_consent")
    return refusing.select("site_id", F.lit("account").alias("user_id_kind"), "user_id")


def under_rules(
    candidates: DataFrame, interactions: DataFrame, items: DataFrame, users: DataFrame, *, as_of: date, zone: str, excludes_bought: bool
) -> DataFrame:
    """Candidates with what each rule says of them at the end of a day.

    Grain   as judged()
    Needs   models.candidates, features.interactions up to the day, clean.items, clean.users
    """
    gone, silent = sold_out(items, as_of=as_of, zone=zone), without_consent(users, as_of=as_of, zone=zone)
    return judged(candidates, kept=bought(interactions), gone=gone, silent=silent, excludes_bought=excludes_bought)


def judged(candidates: DataFrame, *, kept: DataFrame, gone: DataFrame, silent: DataFrame, excludes_bought: bool) -> DataFrame:
    """Say of each candidate which rules forbid it; none is taken away yet, so that they can be counted.

    Grain   one row per row of `candidates`, with the flags `is_bought`, `is_barred` (bought, and not to be offered again),
            `is_sold_out` and `is_silenced`
    Needs   models.candidates; bought(), sold_out() and without_consent() as `kept`, `gone` and `silent`
    """
    yes = F.lit(True)
    return (
        candidates.join(kept.withColumn("is_bought", yes), on=[*USER, "item_id"], how="left")
        .join(gone.withColumn("is_sold_out", yes), on=["site_id", "item_id"], how="left")
        .join(silent.withColumn("is_silenced", yes), on=list(USER), how="left")
        .fillna(False, subset=["is_bought", "is_sold_out", "is_silenced"])
        .withColumn("is_barred", F.col("is_bought") & F.lit(excludes_bought))
    )


def recommendations(
    candidates: DataFrame, choice: DataFrame, *, kept: DataFrame, list_length: int, excludes_bought: bool, release_id: str
) -> DataFrame:
    """Make the list of each user that has candidates of its own, and of the unknown users of each site.

    A user's candidates from the model of its site come first, then popular items
    of the site as far as places are left, by the same rules; where the choice for
    the site is `popular`, these alone. A user without consent gets no list, nor
    does one for whom the rules leave nothing: users_without_list() names them.

    Grain   one row per user and rank
    Needs   `candidates` as judged() gives them, of one day; `choice`: site_id, model, why, one row a site; `kept` as in judged()
    Ties    none: candidate ranks are unique within a source
    """
    popular = candidates.where((F.col("source") == POPULAR) & ~F.col("is_sold_out"))
    personal = candidates.where((F.col("source") != POPULAR) & ~F.col("is_silenced"))
    is_chosen = F.col("source") == F.col("model")
    told = personal.join(F.broadcast(choice.select("site_id", "model")), on="site_id", how="inner")
    is_allowed = is_chosen & ~F.col("is_barred") & ~F.col("is_sold_out")
    own = told.where(is_allowed).drop("model")
    places = told.groupBy(*USER).agg((F.lit(list_length) - F.count_if(is_allowed)).alias("_places"))
    taken = own.select(*USER, "item_id")
    taken = taken.unionByName(kept.select(*USER, "item_id")) if excludes_bought else taken
    filling = _filled(places.where("_places > 0"), popular, taken)
    rank = F.row_number().over(Window.partitionBy(*USER).orderBy(F.col("source") == POPULAR, "candidate_rank"))  # popular ones last
    ranked = own.unionByName(filling).unionByName(popular).withColumn("rank", rank).where(F.col("rank") <= list_length)
    why = F.broadcast(choice.select("site_id", "why"))
    return conform(_explained(ranked.join(why, on="site_id", how="inner"), excludes_bought, release_id), RECOMMENDATIONS)


def users_without_list(candidates: DataFrame, published: DataFrame, *, release_id: str) -> DataFrame:
    """Say why a user that the models know has no list: it refuses them, or the rules left nothing of what there was.

    Grain   one row per user
    Needs   `candidates` as judged() gives them, of one day; recommendations() of them
    """
    known = candidates.where(F.col("source") != POPULAR).groupBy("as_of_date", *USER).agg(F.bool_or("is_silenced").alias("_silent"))
    without = known.join(published.select(*USER).distinct(), on=list(USER), how="left_anti")
    reason = F.when(F.col("_silent"), NO_CONSENT).otherwise(NOTHING_LEFT)
    return conform(without.withColumns({"reason": reason, "release_id": F.lit(release_id)}), USERS_WITHOUT_LIST)


def by_model(
    candidates: DataFrame,
    interactions: DataFrame,
    items: DataFrame,
    users: DataFrame,
    models: Iterable[str],
    *,
    as_of: date,
    zone: str,
    list_length: int,
    excludes_bought: bool,
) -> DataFrame:
    """The lists that each of some models would have made for all sites, had it been chosen at the end of a day.

    Grain   one row per (model, user, rank)
    Needs   as under_rules()
    """
    ruled = under_rules(candidates, interactions, items, users, as_of=as_of, zone=zone, excludes_bought=excludes_bought)
    kept, sites, made = bought(interactions), ruled.select("site_id").distinct(), []
    for model in models:
        choice = sites.withColumns({"model": F.lit(model), "why": F.lit(model)})
        rows = recommendations(ruled, choice, kept=kept, list_length=list_length, excludes_bought=excludes_bought, release_id="none")
        made.append(rows.withColumn("model", F.lit(model)))
    return reduce(DataFrame.unionByName, made)


def _filled(places: DataFrame, popular: DataFrame, taken: DataFrame) -> DataFrame:
    """The first popular items of the site, as many as a user has places left, less those that are taken.

    A site's items come to each user as one array: as rows they were a hundred a user, sorted for each rule, in as few partitions as
    hold the names of the users.

    Grain   one row per user and item
    Needs   places: `_places` a user, above zero; popular: few rows a site; taken: the items that a user is not to get here
    """
    of_site = F.array_sort(F.collect_list(F.struct("candidate_rank", *(name for name in popular.columns if name not in _NAMED))))
    listed = popular.groupBy("site_id").agg(of_site.alias("_popular"))
    among_them = taken.join(F.broadcast(popular.select("site_id", "item_id")), on=["site_id", "item_id"], how="left_semi")
    left_out = among_them.groupBy(*USER).agg(F.collect_set("item_id").alias("_taken"))
    beside = places.join(left_out, on=list(USER), how="left").join(F.broadcast(listed), on="site_id", how="inner")
    no_items = F.array().cast("array<string>")
    is_left = F.filter("_popular", lambda one: ~F.array_contains(F.coalesce("_taken", no_items), one["item_id"]))
    return beside.select(*USER, F.inline(F.slice(is_left, 1, F.col("_places").cast("int"))))


def _explained(ranked: DataFrame, excludes_bought: bool, release_id: str) -> DataFrame:
    rules = f"then popular; {'not bought, ' if excludes_bought else ''}in stock, with consent; {_POLICY_VERSION}"
    goes_with = F.concat(F.lit("goes with item "), F.col("because_item_id"))
    taste = F.when(F.col("is_bought"), F.lit("bought before")).otherwise(F.coalesce(goes_with, F.lit("chosen for you")))
    reason = F.when(F.col("source") == POPULAR, F.lit("popular now")).otherwise(taste)
    policy = F.concat_ws("; ", "why", F.lit(rules))
    return ranked.withColumns({"reason": reason, "policy": policy, "release_id": F.lit(release_id)})


def _in_force(states: DataFrame, key: str, *, as_of: date, zone: str) -> DataFrame:
    """The state of each key that holds at the end of the day, as far as it is known by then."""
    next_day = as_of + timedelta(days=1)
    end = F.make_timestamp(F.lit(next_day.year), F.lit(next_day.month), F.lit(next_day.day), F.lit(0), F.lit(0), F.lit(0), F.lit(zone))
    told = states.where((F.col("valid_from") < end) & (F.col("known_from") < end))
    newest = Window.partitionBy("site_id", key).orderBy(F.desc("valid_from"), F.desc("known_from"))
    return told.withColumn("_age", F.row_number().over(newest)).where("_age = 1").drop("_age")
