"""Fields that nobody mapped are told to whoever started the run."""

import json
from datetime import date

from pyspark.sql import SparkSession

from clickmill import config, execution, river, terminal
from clickmill.contracts.days import Days
from clickmill.execution import RunResult
from clickmill.ingest import unmapped
from clickmill.ingest.source import parse
from ingest.shop import yaml

DAY = Days(date(2024, 5, 16), date(2024, 5, 16))


def shown(result: RunResult) -> list[str]:
    with terminal.out.capture() as taken:
        terminal.show_result(result, 1.0)
    return [" ".join(one.split()) for one in taken.get().splitlines() if one.startswith("    ")]


def test_a_run_tells_which_fields_were_not_mapped_and_which_of_them_are_declared_in_another_case(
    spark: SparkSession, land, tmp_path
) -> None:
    event = {"event_id": "e", "event_type": "item_view", "event_at": "2024-05-16T12:00:00Z", "visitor_id": "v", "item_id": "i1"}
    more = [
        {"Price": "9.90", "colour": "red", "note[red]": "x"},
        {"Price": "9.90", "Order_ID": "o1", "jane.doe@mail.example": "1", "[/red]": "x", "4917012345": "y", "x" * 41: "z"},
        {"Price": "9.90", "items": [{"item_id": "i2", "QUANTITY": "2"}]},
    ]
    folder = land({"2024-05-16.jsonl": "".join(json.dumps(event | {"event_id": f"e{n}"} | one) + "\n" for n, one in enumerate(more))})
    changes = {"lake.root": str(tmp_path / "lake"), "landing.source": "events_jsonl", "landing.path": folder}
    result = execution.execute(river.job("ingest_events"), config.load("test", changes), DAY, spark)
    assert shown(result) == [
        "not mapped Price (declared as price) 3",
        "not mapped Order_ID (declared as order_id) 1",
        "not mapped item.QUANTITY (declared as item.quantity) 1",
        "not mapped colour 1",
        "not mapped note[red] 1",
        "not mapped other names 4",
    ]
    assert "jane" not in str(result.counts) and (result.counts["records"], result.counts["mapped"]) == (3, 3)


def test_ten_fields_are_told_by_name_and_the_others_by_their_number(spark: SparkSession) -> None:
    counts = unmapped.counted(
        [{f"field {n:02d}[]": 100 - n for n in range(13)}, {"field 00[]": 5}], parse(yaml("access_log"), "access_log.yaml")
    )
    told = shown(RunResult("ingest_events", DAY, counts=counts))
    assert told[0] == "not mapped field 00[] 105" and told[9] == "not mapped field 09[] 91"
    assert told[10:] == ["not mapped are 3 fields more; raw.files counts all of them"]


def test_of_very_many_names_those_that_most_rows_have_are_kept(spark: SparkSession) -> None:
    counts = unmapped.counted([{f"field_{n}": 2 if n < 100 else 1 for n in range(1000)}], parse(yaml("access_log"), "access_log.yaml"))
    assert len(counts) == 101 and counts[unmapped.OTHERS] == 900
