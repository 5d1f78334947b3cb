"""A small job that publishes, for the tests of releases: the lists of some users, and the users who get none."""

from types import SimpleNamespace
from typing import Any

from builders import DAY, frame
from clickmill.contracts.reached import Reached
from clickmill.contracts.tables import RECOMMENDATIONS, USERS_WITHOUT_LIST


def listed(user: str, rank: int = 1, **changes: Any) -> dict[str, Any]:
    """One row of a list."""
    row = {"as_of_date": DAY, "site_id": "shop", "user_id": user, "user_id_kind": "visitor", "rank": rank, "item_id": f"i{rank}"}
    return row | {"score": 1.0, "source": "als", "reason": "chosen for you", "policy": "als", "model_run_id": "m1"} | changes


def publishes(
    users: int, without: int = 0, *, of_second_site: int = 0, day=DAY, reached: tuple[Reached, ...] = (), **changes: Any
) -> SimpleNamespace:
    """A job that gives so many users a list of one item, and so many others a reason for having none."""

    def run(spark, conf, days, inputs):
        more = changes | {"as_of_date": day, "release_id": inputs.run_id}
        silent = {"as_of_date": day, "site_id": "shop", "user_id_kind": "visitor", "reason": "no consent", "release_id": inputs.run_id}
        return {
            RECOMMENDATIONS: frame(
                spark,
                RECOMMENDATIONS,
                [listed(f"u{n}", **more) for n in range(users)]
                + [listed(f"s{n}", **more | {"site_id": "second"}) for n in range(of_second_site)],
            ),
            USERS_WITHOUT_LIST: frame(spark, USERS_WITHOUT_LIST, [silent | {"user_id": f"w{n}"} for n in range(without)]),
        }

    both = (RECOMMENDATIONS, USERS_WITHOUT_LIST)
    return SimpleNamespace(__name__="publishes", READS=(), WRITES=both, run=run, CONFIG=("shop",), reached=lambda _: list(reached))
