"""Records -> rows of a raw table: one row an item, each column in the type of its contract, each misfit a problem of its row."""

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType

from clickmill.contracts.errors import BadData, UsageError
from clickmill.contracts.reasons import named
from clickmill.ingest import json_lines, times, values
from clickmill.ingest.binding import checked, with_values
from clickmill.ingest.parts import Column as Declared
from clickmill.ingest.records import Records
from clickmill.ingest.source import COLUMNS, TABLES, Source

_TIMES = ("event_at", "received_at", "valid_from")
ACCOUNT_AS_VISITOR = "account:"
"""Stands before the account where a record names no visitor."""


def rows(records: Records, source: Source, *, zone: str) -> DataFrame:
    """Map records to rows; `zone` is the shop's.

    A record whose fields could not be read keeps its text and its problems, and
    nothing else. Record text stands on the first row of a record only.

    Grain   one row per element of the array that the source explodes, or per event type of a record that is several events, item_pos
            from 1; one row, item_pos 0, per other record
    Needs   names exact in case: spark.sql.caseSensitive, see SPARK_CONF in `ingest.py`
    Raises  UsageError naming the key whose expression is wrong, BadData naming the file that lacks a column or has one of another type
    """
    frame = with_values(exploded(records, source), records, source)
    types = {field.name: field.dataType for field in frame.schema.fields}
    for name, declared in source.columns.items():
        wrong = _refused(name, types[f"__v_columns.{name}"], declared, source)
        if wrong:
            raise _unfit(f"columns.{name}", wrong, records, source)
    if source.event_types is not None:
        frame = _with_event_types(frame, source)
    frame, problems = _with_columns(frame, types, source, zone)
    frame = _with_text_of_first(
        frame.withColumn("problems", F.array_distinct(F.concat("__problems", F.when(F.col("__readable"), problems).otherwise(named({})))))
    )
    return _with_events(frame, types, source, zone) if source.table == "events" else frame


def exploded(records: Records, source: Source) -> DataFrame:
    """The records with `item` and `item_pos`, one row an element of the array that the source explodes; as they are without one."""
    frame = records.frame
    if source.explode is None:
        return frame.withColumn("item_pos", F.lit(0))
    if "item" in records.fields:
        raise UsageError(f"{source.name}.yaml: explode: the records have a field called item already, and elements are called so")
    elements = F.col("__items") if records.item_type is not None else checked(frame, source.explode, "explode", records, source)
    try:
        frame = frame.select("*", F.posexplode_outer(elements).alias("__pos", "__element"))
    except AnalysisException:
        raise UsageError(f"{source.name}.yaml: explode: expected an expression that gives an array") from None
    frame = frame.withColumn("item_pos", F.coalesce(F.col("__pos") + 1, F.lit(0)))
    is_item, element = F.col("item_pos") > 0, F.col("__element")
    if records.item_type is None:
        bad = F.when(is_item & element.isNull(), F.array(F.lit("bad_item"))).otherwise(named({}))
        of_first = F.when(F.col("item_pos") <= 1, F.col("__unmapped"))
        return frame.withColumns({"item": element, "__problems": F.concat("__problems", bad), "__unmapped": of_first})
    value, does_not_fit, inside = json_lines.item(element, records.item_type)
    doubled = F.transform(inside.doubled, lambda name: F.concat(F.lit("two_values_for_"), name))
    problems = F.concat(named({"bad_item": does_not_fit}), F.coalesce(doubled, named({})))
    unknown = F.when(is_item, inside.unknown)
    of_record = F.when(F.col("item_pos") <= 1, F.col("__unmapped"))
    return frame.withColumns(
        {
            "item": value,
            "__problems": F.concat("__problems", F.when(is_item, problems).otherwise(named({}))),
            "__unmapped": F.when(of_record.isNull(), unknown).when(unknown.isNull(), of_record).otherwise(F.map_concat(of_record, unknown)),
        }
    )


def _with_columns(frame: DataFrame, types: dict[str, DataType], source: Source, zone: str) -> tuple[DataFrame, Column]:
    """Each mapped column in the type of its contract (null where the source maps none), and the problems of the row."""
    contract = TABLES[source.table].schema
    out: dict[str, Column] = {}
    problems: dict[str, Column] = {}
    for name, declared in source.columns.items():
        given, value = types[f"__v_columns.{name}"], F.col(f"`__v_columns.{name}`")
        if name in _TIMES:
            with_time = times.with_day_start if name == "event_at" and source.day_only else times.with_instant
            frame = with_time(frame, f"__i_{name}", value, given, declared, zone=declared.zone or source.zone or zone)
            typed = F.col(f"__i_{name}")
        else:
            typed = values.typed(value, given, contract[name].dataType)
        out[name] = F.when(F.col("__readable"), typed)
        problems[f"bad_{name}"] = values.present(value, given) & F.col(f"__t_{name}").isNull()
    frame = frame.withColumns({f"__t_{name}": column for name, column in out.items()})
    missing = [field for field in contract.fields if field.name in COLUMNS[source.table] and field.name not in out]
    frame = frame.withColumns({field.name: F.lit(None).cast(field.dataType) for field in missing})
    site = F.lit(source.site_id.constant).cast("string") if source.site_id.value is None else F.col("__v_site_id").cast("string")
    frame = frame.withColumns(
        {"site_id": F.coalesce(F.when(F.trim(site) != "", site), F.lit(source.name)), **{name: F.col(f"__t_{name}") for name in out}}
    )
    if source.event_types is None:
        return frame, named(problems)
    literal = F.lit("given") if source.event_types.constant else F.trim(F.col("`__v_event_types.from`").cast("string"))
    problems["missing_event_type"] = F.coalesce(literal, F.lit("")) == ""
    problems["unknown_event_type"] = (literal != "") & F.col("event_type").isNull()
    return frame, named(problems)


def _refused(name: str, given: DataType, declared: Declared, source: Source) -> str | None:
    if name in _TIMES:
        return times.accepts(given, declared, is_day=name == "event_at" and source.day_only)
    return values.accepts(given, TABLES[source.table].schema[name].dataType)


def _unfit(key: str, wrong: str, records: Records, source: Source) -> BadData | UsageError:
    """A value of a type that does not do: the file's fault where it says itself of what type its columns are, else the source's."""
    if source.read.format == "parquet":
        return BadData(f"{records.file}: {key} of {source.name} {wrong}")
    return UsageError(f"{source.name}.yaml: {key}: {wrong}")


def _with_event_types(frame: DataFrame, source: Source) -> DataFrame:
    """Add event_type; a record that is several events becomes as many rows."""
    assert source.event_types is not None
    if source.event_types.constant:
        return frame.withColumn("event_type", F.when(F.col("__readable"), F.lit(source.event_types.constant)))
    pairs = [part for literal, names in source.event_types.map.items() for part in (F.lit(literal), F.array(*map(F.lit, names)))]
    types = F.when(F.col("__readable"), F.try_element_at(F.create_map(*pairs), F.col("`__v_event_types.from`").cast("string")))
    if not source.event_types.has_several:
        return frame.withColumn("event_type", types[0])
    frame = frame.withColumn("__types", types).select("*", F.posexplode_outer("__types").alias("__type_pos", "event_type"))
    of_first = F.when(F.coalesce("__type_pos", F.lit(0)) == 0, F.col("__unmapped"))
    return frame.withColumns({"item_pos": F.when(F.size("__types") > 1, F.col("__type_pos") + 1).otherwise(0), "__unmapped": of_first})


def _with_text_of_first(frame: DataFrame) -> DataFrame:
    entries = F.array_sort(F.map_entries("__unmapped"))
    unmapped = F.when(F.size("__unmapped") > 0, F.to_json(F.map_from_entries(entries)))
    return frame.withColumns(
        {
            "record_text": F.when(F.col("item_pos") <= 1, F.col("__text")),
            "unmapped": unmapped,
            "_unmapped_names": F.array_sort(F.map_keys("__unmapped")),
            "state_pos": F.lit(0),
        }
    )


def _with_events(frame: DataFrame, types: dict[str, DataType], source: Source, zone: str) -> DataFrame:
    """What ingestion makes of the mapped columns of an event: its day, its id and who did it."""
    assert source.ids is not None
    names = [f"__v_ids.key.{number}" for number in range(len(source.ids.key))]
    parts = [values.typed(F.col(f"`{name}`"), types[name], StringType()) for name in names]
    # Where the source gives no part of the key, the whole record is: events must not melt into one.
    text = F.concat_ws(" ", "item_pos", "__text") if source.has_event_per_item else F.col("__text")
    content = F.when(F.coalesce(*parts).isNull(), F.md5(text.cast("binary")))
    parts = [F.col("site_id"), F.coalesce("visitor_id", F.lit("")), *parts, content]
    event_id = _hash(*parts)
    if source.event_types is not None and source.event_types.has_several:
        # All else of the events of a record is the same; a record that is one event is called as in any other source.
        event_id = F.when(F.col("item_pos") > 0, _hash(*parts, F.col("event_type"))).otherwise(event_id)
    is_readable = F.col("__readable")
    # What a server tells of an account is told by no device: it is a visitor of its own, which no device can be called.
    by_account = F.concat(F.lit(ACCOUNT_AS_VISITOR), "account_id")
    return frame.withColumn("visitor_id", F.coalesce("visitor_id", by_account)).withColumns(
        {
            "event_date": F.to_date(F.from_utc_timestamp("event_at", source.zone or zone)),
            "zone": F.lit(source.zone).cast("string"),
            "event_id": F.when(is_readable, event_id),
            "winner_key": F.when(is_readable, _winner_key(types, source)),
            "user_id": F.coalesce("account_id", "visitor_id"),
            "user_id_kind": F.when(F.col("account_id").isNotNull(), "account").when(F.col("visitor_id").isNotNull(), "visitor"),
            "person_hash": F.when(F.col("visitor_id").isNotNull(), _hash(F.col("site_id"), F.col("visitor_id"))),
            "is_day_only": F.lit(source.day_only),
            "has_near_copies": F.lit(source.ids.near_copies),
        }
    )


def _hash(*parts: Column) -> Column:
    """MD5 of the parts, in which a null is a part of its own and no separator can be part of a value."""
    return F.md5(F.to_json(F.array(*parts)).cast("binary"))


def _winner_key(types: dict[str, DataType], source: Source) -> Column:
    """Text that sorts as the tie-break does: instants as ISO, numbers, also those written as text, moved above zero and padded."""
    if source.ids is None or source.ids.tie_break is None:
        return _iso(F.col("event_at"))
    value, given = F.col("`__v_ids.tie_break`"), types["__v_ids.tie_break"].typeName()
    if given in ("timestamp", "timestamp_ntz", "date"):
        return _iso(value.cast("timestamp"))
    text = value.cast("string")
    number = F.when(text.rlike(values.NUMBER), text).try_cast("decimal(30,6)")
    moved = number + F.lit("10000000000000000000").cast("decimal(20,0)")
    return F.coalesce(F.lpad(moved.cast("string"), 32, "0"), text)


def _iso(instant: Column) -> Column:
    return F.date_format(instant, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS")
