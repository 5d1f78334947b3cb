"""models.candidates, models.evaluations, interactions, states -> publish.recommendations_v1, publish.users_without_list_v1.

Each site gets the lists of the model that was proven best, popular items where none is proven to beat them. Who has no list is told why.
"""

from clickmill import job
from clickmill.contracts.tables import CANDIDATES, EVALUATIONS, INTERACTIONS, ITEMS, RECOMMENDATIONS, USERS, USERS_WITHOUT_LIST
from clickmill.publish import balance, choice, recommendations

READS = (CANDIDATES.window(1), EVALUATIONS.window(1), INTERACTIONS.window("models.window_days"), ITEMS.up_to(), USERS.up_to())
WRITES = (RECOMMENDATIONS, USERS_WITHOUT_LIST)
CONFIG = ("evaluation", "publish", "shop")


def run(spark: job.SparkSession, conf: job.Config, days: job.Days, inputs: job.Inputs) -> job.Outputs:
    kept, candidates = recommendations.bought(inputs[INTERACTIONS]), inputs.keep(_judged(inputs))
    rules = {"kept": kept, "release_id": inputs.run_id, **conf.publish.model_dump()}
    made = inputs.keep(recommendations.recommendations(candidates, _choice(inputs), **rules))
    return {RECOMMENDATIONS: made, USERS_WITHOUT_LIST: recommendations.users_without_list(candidates, made, release_id=inputs.run_id)}


def check(written: job.Written, inputs: job.Inputs) -> dict[str, int]:
    return balance.counts(written[RECOMMENDATIONS], written[USERS_WITHOUT_LIST], _judged(inputs), inputs.keep(_choice(inputs)))


def reached(inputs: job.Inputs) -> list[job.Reached]:
    return choice.reached(inputs[EVALUATIONS], _choice(inputs))


def _choice(inputs: job.Inputs) -> job.DataFrame:
    return choice.chosen(inputs[EVALUATIONS], inputs[CANDIDATES], min_users=inputs.conf.evaluation.min_users)


def _judged(inputs: job.Inputs) -> job.DataFrame:
    frames, conf = (inputs[table] for table in (CANDIDATES, INTERACTIONS, ITEMS, USERS)), inputs.conf
    return recommendations.under_rules(*frames, as_of=inputs.days.last, zone=conf.shop.zone, excludes_bought=conf.publish.excludes_bought)


if __name__ == "__main__":
    job.main(__name__)
