"""features.interactions, models.ids, states -> models.evaluations, models.user_evaluations, as of the last day.

Lists as of `evaluation.test_days` before are judged by what users took to since. Earlier evaluations of the day with other parameters stay.
"""

from clickmill import job
from clickmill.contracts.tables import EVALUATIONS, IDS, INTERACTIONS, ITEMS, USER_EVALUATIONS, USERS
from clickmill.metrics import evaluation, ranking
from clickmill.models import rehearsal, runs, splits
from clickmill.publish import recommendations as lists

WRITES = (EVALUATIONS, USER_EVALUATIONS)
READS = (INTERACTIONS.window("models.window_days"), IDS.whole(), *(one.up_to() for one in (ITEMS, USERS, *WRITES)))
CONFIG = ("candidates", "evaluation", "models", "publish", "shop")


def run(spark: job.SparkSession, conf: job.Config, days: job.Days, inputs: job.Inputs) -> job.Outputs:
    cut, excludes = splits.trained_to(days.last, test_days=conf.evaluation.test_days), conf.publish.excludes_bought
    past = inputs.cut(splits.before(inputs[INTERACTIONS], cut))
    targets = inputs.cut(splits.targets(inputs[INTERACTIONS], lists.bought(past), cut, excludes_bought=excludes))
    params = {one: conf.models.params(one) for one in rehearsal.TRAINED} | {"popular": conf.candidates.model_dump()}
    model_runs = runs.described(spark, params, as_of=cut, inputs=inputs.versions, code_version=job.CODE_VERSION)
    trained = {"models": conf.models.model_dump(), "candidates": conf.candidates.model_dump(), "cut": inputs.cut}
    found = inputs.cut(rehearsal.rehearsed(past, targets, inputs[IDS], as_of=cut, **trained))
    day = {"as_of": cut, "zone": conf.shop.zone, **conf.publish.model_dump()}
    made = lists.by_model(found, past, inputs[ITEMS], inputs[USERS], rehearsal.MODELS, **day)
    shown = inputs.cut(ranking.shown(made, targets, k=day["list_length"]))
    trial = evaluation.Trial(shown, targets, inputs.cut(splits.catalogue(past)), model_runs, cut, days.last, day["list_length"])
    user_rows = inputs.cut(evaluation.user_evaluations(trial))
    others = evaluation.earlier(inputs[EVALUATIONS], model_runs, as_of=days.last)
    users = user_rows.unionByName(evaluation.of_runs(inputs[USER_EVALUATIONS], others))
    return {EVALUATIONS: evaluation.evaluations(user_rows, trial).unionByName(others), USER_EVALUATIONS: users}


def check(written: job.Written, inputs: job.Inputs) -> dict[str, int]:
    return evaluation.counts(written[USER_EVALUATIONS], written[EVALUATIONS])


if __name__ == "__main__":
    job.main(__name__)
