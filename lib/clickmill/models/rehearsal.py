"""What each model would have offered on an earlier day, had it been trained on the days up to it: what evaluation judges."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from pyspark.sql import DataFrame

from clickmill.contracts.events import USER
from clickmill.models import als, neighbours
from clickmill.models import candidates as offers

TRAINED = ("als", "item_neighbours")
MODELS = (*TRAINED, "popular")


def rehearsed(
    past: DataFrame,
    targets: DataFrame,
    ids: DataFrame,
    *,
    as_of: date,
    models: Mapping[str, Any],
    candidates: Mapping[str, Any],
    cut: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """Candidates of all models for the users of `targets`, and the popular items. Training happens in this call.

    Grain   one row per user, source and item, as in models.candidates, with the name of the model for its run
    Needs   past: features.interactions up to `as_of`; targets: USER; models.ids; the values of the config's sections `models`
            and `candidates`; cut: computes a frame and forgets how it was made
    Raises  BadData as the models do; where none of the users has a past, nothing is trained and items are popular only
    """
    per_user, limit = candidates["per_user"], {"max_broadcast_bytes": models["max_broadcast_bytes"]}
    popular = offers.popular(past, as_of=as_of, popular_days=candidates["popular_days"], per_site=per_user)
    users = targets.select(*USER).distinct()
    liked = cut(offers.histories(past).join(users, on=list(USER), how="left_semi"))
    if liked.isEmpty():
        return popular
    taste = als.taste(past, feedback=models["als"]["feedback"], as_of=as_of, half_life_days=models["half_life_days"])
    pairs = cut(als.with_numbers(taste, ids))
    factors = cut(als.factors(pairs, ids, as_of=as_of, model_run_id="als", **models["als"]))
    wanted = factors.join(users.withColumnRenamed("user_id", "source_id"), on=["site_id", "user_id_kind", "source_id"], how="left_semi")
    items = offers.items_by_site(factors, **limit)
    own = offers.from_factors(wanted, liked, items, as_of=as_of, per_user=per_user)
    near = cut(neighbours.item_neighbours(past, ids, as_of=as_of, model_run_id="item_neighbours", **models["item_neighbours"]))
    beside = offers.from_neighbours(liked, offers.neighbours_by_site(near, **limit), as_of=as_of, per_user=per_user)
    return own.unionByName(beside).unionByName(popular)
