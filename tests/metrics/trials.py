"""Models of clicks and the impressions that judge them, for tests: the row_id of an impression is its event id."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import count
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from builders import DAY, frame
from clickmill.contracts.tables import CTR_MODELS, CTR_ROWS, CTR_SCORES, EXPORTS
from models.rows import ctr_row

EXPORT = "00000000000000e1"
LEARNT, JUDGED = date(2024, 5, 10), date(2024, 5, 15)


def run_id(model: str) -> str:
    return f"{sum(map(ord, model)):016x}"


def impressions(users: Mapping[str | None, str], day: date = JUDGED, site: str = "shop", **more: Any) -> Iterator[dict[str, Any]]:
    """Rows of features.ctr_rows: of each user one a letter, `+` where it was answered, `-` where not, `?` where nobody knows."""
    kind = {"site_id": site, "user_id_kind": "account"}
    for user, letters in users.items():
        for letter in letters:
            name = {"user_id": user, **(kind if user else {"site_id": site})}
            yield ctr_row("i1", day, event_id=str(next(_numbers)), answered={"+": True, "-": False, "?": None}[letter], **name, **more)


_numbers = count(1)


def export(rows: Sequence[Mapping[str, Any]], **changes: Any) -> dict[str, Any]:
    """The export that these rows were in."""
    on = {day: sum(row["known_date"] == day and row["answered"] is not None for row in rows) for day in (LEARNT, JUDGED)}
    days = {"train": LEARNT, "valid": date(2024, 5, 13), "test": JUDGED}
    told = {field.name: 0 for field in EXPORTS.schema.fields if field.dataType.typeName() in ("long", "integer")}
    told |= {"as_of_date": DAY, "export_id": EXPORT, "path": "", "manifest_hash": "", "seed": 7}
    told |= {f"{split}_{end}_date": day for split, day in days.items() for end in ("first", "last")}
    return told | {"train_count": on[LEARNT], "test_count": on[JUDGED]} | changes


def model(name: str, **changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = {field.name: "" if field.dataType.typeName() == "string" else 0 for field in CTR_MODELS.schema.fields}
    told |= {"train_s": 0.0, "as_of_date": DAY, "model": name, "model_run_id": run_id(name), "export_id": EXPORT, "params": "{}"}
    return told | changes


def score(name: str, row: Mapping[str, Any], probability: float, **changes: Any) -> dict[str, Any]:
    told = {"as_of_date": DAY, "model_run_id": run_id(name), "split": "test", "row_id": int(row["event_id"]), "probability": probability}
    return told | changes


def frames(
    spark: SparkSession, rows: Sequence[Mapping[str, Any]], scores: Sequence[Mapping[str, Any]], models: Sequence[str], **changes: Any
) -> tuple[DataFrame, DataFrame, DataFrame, DataFrame]:
    """Rows with their row_id, scores, the export (with changes), and the models."""
    told = frame(spark, CTR_ROWS, [dict(row) for row in rows])
    with_id = told.withColumn("row_id", told.event_id.cast("long"))
    of_models = frame(spark, CTR_MODELS, [model(name) for name in models])
    return with_id, frame(spark, CTR_SCORES, [dict(one) for one in scores]), frame(spark, EXPORTS, [export(rows, **changes)]), of_models
