"""The export of a table that moves on: what Petastorm reads is the version that was pinned, and nothing of what came after."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from builders import DAY, frame
from clickmill import config, river
from clickmill.contracts.days import Days
from clickmill.contracts.errors import UsageError
from clickmill.contracts.properties import set_for
from clickmill.contracts.tables import CTR_ROWS, EXPORTS, VOCABULARIES
from clickmill.inputs import Inputs
from clickmill.lake import Lake
from clickmill.models import manifest
from clickmill.models.ctr_fields import DENSE
from clickmill.models.feed import Batch, Feed
from models.rows import ctr_row

FIRST = DAY - timedelta(days=9)
SMALL = {"export.days": 10, "export.test_days": 2, "export.ranks": 1, "export.group_rows": 30}
JOB = river.job("export_ctr_rows")


def impressions(back: int, item_views: int) -> list[dict[str, Any]]:
    day, views = DAY - timedelta(days=back), {"item_item_views_sum_7d": item_views}
    return [ctr_row("i1", day, event_id=f"{back} {n}", answered=n % 3 == 0 if back else None, **views) for n in range(12)]


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Lake:
    """A lake with ten days of impressions, twelve a day: version 1 of its table."""
    lake = Lake(spark, str(tmp_path / "lake"))
    for table in (CTR_ROWS, VOCABULARIES):
        lake.ensure(table, {})
    rows = [row for back in range(10) for row in impressions(back, item_views=back)]
    lake.write(frame(spark, CTR_ROWS, rows), CTR_ROWS, Days(FIRST, DAY), {})
    return lake


def pinned(lake: Lake, version: int) -> Inputs:
    conf = config.load("test", SMALL | {"lake.root": lake.root})
    inputs = Inputs("attempt", Days(DAY, DAY), conf, lake)
    inputs.versions = {CTR_ROWS.name: version, VOCABULARIES.name: 0}
    inputs.update({CTR_ROWS: lake.read(CTR_ROWS, version), VOCABULARIES: lake.read(VOCABULARIES, 0)})
    return inputs


def read(lake: Lake, inputs: Inputs) -> list[Batch]:
    """What a feed reads of the days that networks learn from."""
    with set_for(lake.spark, JOB.SPARK_CONF):  # type: ignore[attr-defined]
        row = JOB.run(lake.spark, inputs.conf, inputs.days, inputs)[EXPORTS].first()  # type: ignore[union-attr]
    assert row is not None
    folder = Path(lake.root) / row.path
    told = manifest.parsed((folder / manifest.NAME).read_text())
    return list(Feed(folder.as_uri(), told, "train", batch_rows=16, seed=1).epoch(0))


def test_petastorm_sees_the_pinned_version_whatever_was_deleted_or_overwritten_since(spark: SparkSession, shop: Lake) -> None:
    inputs, day = pinned(shop, 1), DAY - timedelta(days=8)
    DeltaTable.forPath(spark, shop.path(CTR_ROWS)).delete("event_id like '% 3'")
    shop.write(frame(spark, CTR_ROWS, impressions(8, item_views=10**6)[:5]), CTR_ROWS, Days(day, day), {})
    assert shop.read(CTR_ROWS).where("known_date <= date'2024-05-10'").count() == 3 * 11 + 5
    dense = torch.cat([batch.dense for batch in read(shop, inputs)])
    views = dense[:, [of.name for of in DENSE].index("item_item_views_sum_7d")]
    # Four days of twelve rows with 6, 7, 8 and 9 views: by their logarithm, in spreads from the mean.
    logs = torch.log(torch.tensor([7.0, 8.0, 9.0, 10.0]))
    expected = ((logs - logs.mean()) / logs.std(correction=0)).repeat_interleave(12)
    assert torch.allclose(views.sort().values, expected, atol=1e-3)


def test_a_table_whose_files_do_not_tell_its_rows_is_refused(spark: SparkSession, shop: Lake) -> None:
    spark.sql(f"ALTER TABLE delta.`{shop.path(CTR_ROWS)}` SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    with pytest.raises(UsageError, match=r"features.ctr_rows: readers need version 3 of the protocol, at most 1 may be asked of them"):
        read(shop, pinned(shop, shop.head(CTR_ROWS)))


def test_a_table_whose_columns_are_mapped_is_refused(spark: SparkSession, shop: Lake) -> None:
    mapped = "'delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5'"
    spark.sql(f"ALTER TABLE delta.`{shop.path(CTR_ROWS)}` SET TBLPROPERTIES ({mapped})")
    with pytest.raises(UsageError, match="readers need version 2 of the protocol"):
        read(shop, pinned(shop, shop.head(CTR_ROWS)))
