"""features.interactions, models.als_factors, models.item_neighbours -> models.candidates, as of the last day: what could be recommended.

Item factors and neighbours go to every worker, one matrix a site, and users are scored in blocks. Rules come later, at publishing.
"""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import ALS_FACTORS, CANDIDATES, INTERACTIONS, ITEM_NEIGHBOURS
from clickmill.job import Inputs, Outputs
from clickmill.models import candidates

READS = (INTERACTIONS.window("models.window_days"), ALS_FACTORS.window(1), ITEM_NEIGHBOURS.window(1))
WRITES = (CANDIDATES,)
CONFIG = ("models", "candidates")


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    per_user, popular_days = conf.candidates.per_user, conf.candidates.popular_days
    limit = {"max_broadcast_bytes": conf.models.max_broadcast_bytes}
    liked = inputs.keep(candidates.histories(inputs[INTERACTIONS]))
    items = candidates.items_by_site(inputs[ALS_FACTORS], **limit)
    own = candidates.from_factors(inputs[ALS_FACTORS], liked, items, as_of=days.last, per_user=per_user)
    near = candidates.neighbours_by_site(inputs[ITEM_NEIGHBOURS], **limit)
    beside = candidates.from_neighbours(liked, near, as_of=days.last, per_user=per_user)
    popular = candidates.popular(inputs[INTERACTIONS], as_of=days.last, popular_days=popular_days, per_site=per_user)
    return {CANDIDATES: own.unionByName(beside).unionByName(popular)}


if __name__ == "__main__":
    job.main(__name__)
