"""models.candidates, features.interactions, clean.items, clean.users -> publish.recommendations_v1, as of the last day."""

from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.table import Table
from clickmill.contracts.tables import CANDIDATES, INTERACTIONS, ITEMS, RECOMMENDATIONS, USERS
from clickmill.job import Inputs, Outputs
from clickmill.publish import audit
from clickmill.publish import recommendations as lists

READS = (CANDIDATES.window(1), INTERACTIONS.window("models.window_days"), ITEMS.up_to(), USERS.up_to())
WRITES = (RECOMMENDATIONS,)
CONFIG = ("publish", "shop")


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    rules = {"list_length": conf.publish.list_length, "excludes_bought": conf.publish.excludes_bought}
    kept = lists.bought(inputs[INTERACTIONS])
    return {RECOMMENDATIONS: lists.recommendations(inputs.keep(_judged(inputs)), kept=kept, release_id=inputs.run_id, **rules)}


def check(written: Mapping[Table, DataFrame], inputs: Inputs) -> dict[str, int]:
    audit.refuse_equal_rankings(inputs[CANDIDATES])
    return audit.counts(written[RECOMMENDATIONS], _judged(inputs))


def _judged(inputs: Inputs) -> DataFrame:
    day = {"as_of": inputs.days.last, "zone": inputs.conf.shop.zone}
    gone, silent = lists.sold_out(inputs[ITEMS], **day), lists.without_consent(inputs[USERS], **day)
    excludes = inputs.conf.publish.excludes_bought
    return lists.judged(inputs[CANDIDATES], kept=lists.bought(inputs[INTERACTIONS]), gone=gone, silent=silent, excludes_bought=excludes)


if __name__ == "__main__":
    job.main(__name__)
