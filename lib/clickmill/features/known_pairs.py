"""What is known of a user with one item, with one category and at one hour of the week, before some instants.

Shapes  Q questions, each about one user, item, category and hour
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from clickmill.features.acts import ACTS, PLURALS
from clickmill.features.histories import Answers, Flags, Ints, Questions, within
from clickmill.features.known_user import HORIZON, WINDOWS, Acts, Columns, divided, since

_WITH_ITEM = ("impression", "click", "item_view", "add_to_cart", "purchase")
_WITH_CATEGORY = ("click", "item_view", "add_to_cart", "purchase")
_CATEGORY_WINDOWS = ("7d", "28d", "90d")


Of = Callable[[str], Flags]
"""Which acts, in the order of some histories, are of a type."""


def known(acts: Acts, questions: Questions, *, items: tuple[Ints, Ints], categories: tuple[Ints, Ints], hours: Ints) -> Columns:
    """Every column that says what is known of a user with what a question names.

    Needs   items, categories: codes of the acts (E,) and of the questions (Q,), -1 where there is none; hours: hours of the week (Q,)
    """
    columns: Columns = {}
    told, of = part(acts, questions, *items)
    for name in _WITH_ITEM:
        columns |= _sums(f"user_item_{PLURALS[name]}", told, of(name), tuple(WINDOWS))
        columns[f"user_item_since_{name}_s"] = since(told, of(name))
    whole = acts.histories.asked(questions)
    columns |= with_category(*part(acts, questions, *categories), whole.sums(acts.of("item_view"), HORIZON)[0])
    everything = whole.sums(np.ones(len(acts.key), bool), HORIZON)[0]
    told, _ = part(acts, questions, acts.column("hour_of_week"), hours)
    columns["user_hour_of_week_share_90d"] = divided(told.sums(np.ones(len(told.histories.key), bool), HORIZON)[0], everything)
    return columns


def with_category(told: Answers, of: Of, views: Ints) -> Columns:
    """What is known of a user with a category; views: the item views of the user in 90 days (Q,)."""
    columns: Columns = {}
    for name in _WITH_CATEGORY:
        columns |= _sums(f"user_category_{PLURALS[name]}", told, of(name), _CATEGORY_WINDOWS)
        columns[f"user_category_since_{name}_s"] = since(told, of(name))
    mine = columns["user_category_item_views_sum_90d"].to_numpy()
    return columns | {"user_category_item_views_share_90d": divided(mine, views)}


def part(acts: Acts, questions: Questions, of_acts: Ints, asked: Ints) -> tuple[Answers, Of]:
    """What can be said of a part of each user, by the codes of parts: of the acts (E,), and those that are asked about (Q,)."""
    order, histories, of_part = within(acts.key, acts.histories.at, of_acts, questions, asked)
    act = acts.act[order]
    return histories.asked(of_part), lambda name: act == ACTS.index(name)


def _sums(name: str, told: Answers, chosen: Flags, windows: tuple[str, ...]) -> Columns:
    totals = told.sums(chosen, *(WINDOWS[label] for label in windows))
    return {f"{name}_sum_{label}": pa.array(total) for label, total in zip(windows, totals, strict=True)}
