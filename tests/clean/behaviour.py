"""What a visitor may do, and what may happen to it on its way to us: the words that adversarial streams are drawn from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import product
from typing import Any

from hypothesis import strategies as st

from clean.pipeline import GAP_S, HORIZON_S, ORDER_S
from clickmill.contracts.days import Days

Row = dict[str, Any]

DAYS = Days(date(2024, 5, 16), date(2024, 5, 18))
FILES = ("f", "g")
HOUR_MS = 3_600_000
GAP_MS, HORIZON_MS, ORDER_MS = 1000 * GAP_S, 1000 * HORIZON_S, 1000 * ORDER_S
PACES_MS = {
    "crowded": (0, 0, 0, 0, 0, 1, 1000, 1000, 1001, 1001, 600_000, GAP_MS),
    "visits": (0, 0, 1000, 600_000, GAP_MS, GAP_MS, GAP_MS + 1, GAP_MS + 1, HORIZON_MS, HORIZON_MS, HORIZON_MS + 1, HORIZON_MS + 1),
    "days": (0, GAP_MS, *(HORIZON_MS,) * 2, HORIZON_MS + 1, *(hours * HOUR_MS for hours in (2, 8, 8)), *(ORDER_MS,) * 3, ORDER_MS + 1),
}
"""Silences between the events of a visitor, by the visitor's pace."""

TEXT = ("item_id", "order_id", "currency", "review_text", "query", "page_url", "campaign_id", "impression_id", "device")
OTHERWISE: Row = dict.fromkeys(TEXT, "x") | {"quantity": Decimal(2), "price": Decimal("8.80"), "rating": 2.0, "position": 2}
"""What a change makes of a column: where it can the same word, so that it matters which column says it."""
OF_ITEM = ("item_id", "quantity", "price")
"""Of these a change is one of the last item alone."""


def act(kind: str, *items: str, order: str | None = None) -> Row:
    unsaid = dict.fromkeys(OTHERWISE)
    return {"event_type": kind, "items": [{**unsaid, "item_id": item, "order_id": order, "price": Decimal("9.90")} for item in items]}


PURCHASE_OF_TWO = act("purchase", "a", "b", order="o1")
NEW_ACTS = (
    act("item_view", "a"),
    act("item_view", "b"),
    act("add_to_cart", "a"),
    act("page_view", "a", order="o1"),
    *[act("engagement", "a")] * 2,
    act("refund", "a", order="o1"),
    act("purchase", "a", order="o1"),
    act("purchase", "b", "b", order="o2"),
    *[PURCHASE_OF_TWO] * 3,
)
# Of what came before: done again under a new id, delivered again, or its id used again at another time.
AGAIN, RESENT, ID_AGAIN = "again", "resent", "id again"
OFTEN = len(OTHERWISE)
CHANGES = (*["none"] * OFTEN, *OTHERWISE, *["one item less", "one item more"] * (OFTEN // 2))


def deeds(new: tuple[Row, ...], *again: str) -> list[tuple[Row | str, int, str]]:
    """Of three deeds one is new; the others say for what came before how many records before, and with which change."""
    of_before = list(product(again, (1, 1, 2, 3), CHANGES))
    return [*of_before, *((new[n % len(new)], 0, "none") for n in range(len(of_before) // 2))]


TASTES = {
    "anything": deeds(NEW_ACTS, AGAIN, RESENT, ID_AGAIN),
    "one id": deeds(NEW_ACTS, ID_AGAIN, ID_AGAIN, RESENT),
    "one order": deeds((PURCHASE_OF_TWO,), AGAIN, AGAIN, RESENT),
}
"""What a visitor does, by the visitor's taste."""


@dataclass(frozen=True)
class Handling:
    """How an act reached us: what its source says of it beside the act, and with which delivery."""

    source_order: int | None
    source_session_id: str | None
    has_visitor: bool
    delivery_rank: int
    tie_break: str | None
    file: str
    days_late: int


HANDLINGS = [
    Handling(*one)
    for one in product((None, 0, 1), (None, "s", "t"), (True, True, False), (0, 0, 1), ("time", "time", None, "x"), FILES, (0, 1, 2))
]


@dataclass(frozen=True)
class Habits:
    """What holds for all rows of a visitor."""

    pace: str
    taste: str
    zone: str | None
    has_near_copies: bool
    has_order: bool
    has_source_sessions: bool
    hides: bool
    ids: str


HABITS = [
    Habits(*one)
    for one in product(
        PACES_MS,
        TASTES,
        (None, None, "+05:30", "-08:00"),
        (True, True, True, False),
        (True, False),
        (True, False),
        (True, False, False),
        ("abcdefghi", "ihgfedcba"),
    )
]


@dataclass(frozen=True)
class Midnight:
    """The instant of a stream that is a midnight: at an event, just after it, or half-way to the next."""

    event: int | None
    """Number of the event; None for the one after the longest silence."""
    beside: str
    day: date


MIDNIGHTS = [
    Midnight(*one)
    for one in product((1, 2, 3, 4, 5, *[None] * 3), ("at", "at", "at", "just after", "half-way", "half-way"), list(DAYS)[1:])
]


def one_of(kinds: Mapping[str, Collection]) -> st.SearchStrategy[int]:
    """A place in a list of any kind; they are of one length."""
    [length] = {len(kind) for kind in kinds.values()}
    return st.sampled_from(range(length))


EVENTS = st.tuples(one_of(PACES_MS), one_of(TASTES), st.sampled_from(HANDLINGS))
VISITORS = st.tuples(st.sampled_from(HABITS), st.sampled_from(MIDNIGHTS), st.lists(EVENTS, min_size=2, max_size=9))
"""Habits, a midnight, and for each event the silence before it, the deed and how it was handled."""
