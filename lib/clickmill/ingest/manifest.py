"""The file manifest: which content of which file landed on which day, so that the same file again changes nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickmill.contracts import reasons
from clickmill.contracts.conform import conform
from clickmill.contracts.errors import BadData
from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import RAW_FILES
from clickmill.ingest import unmapped
from clickmill.ingest.files import Scanned
from clickmill.ingest.source import Source

_COUNTS = ("record_count", "mapped_count", "rejected_count", "row_count")
_NONE = (0, 0, 0, 0)
_FILE = ("source", "file", "delivery_id")
WAITING = "records_waiting_for_their_days"


@dataclass(frozen=True)
class Delivery:
    """A file that is not wholly known, and the landing days of its content that are."""

    scanned: Scanned
    known_dates: frozenset[date]


def not_seen(found: Iterable[Scanned], known: DataFrame, *, source: str) -> list[Delivery]:
    """Leave out files whose content the source delivered before on the same day, under whatever name.

    Of files with one content and one day the first by name is kept. A file
    whose records land on their own days may be known for some days only.

    Needs   known: rows of raw.files; what is collected grows with files and days, never with records
    """
    dates: dict[str, set[date]] = {}
    for row in known.where(F.col("source") == source).select("delivery_id", "landing_date").distinct().collect():
        dates.setdefault(row.delivery_id, set()).add(row.landing_date)
    kept: dict[tuple[str, date | None], Delivery] = {}
    for one in found:
        days = dates.get(one.delivery_id, set())
        if one.file.landing_date is None or one.file.landing_date not in days:
            kept.setdefault((one.delivery_id, one.file.landing_date), Delivery(one, frozenset(days)))
    return list(kept.values())


def counted(rows: DataFrame) -> DataFrame:
    """Records, mapped and rejected ones, and rows.

    A record is mapped when at least one of its rows is. It counts once, on the
    day and with the rows of its first one: what it holds of other days are rows.

    Grain   one row per (landing_date, file, delivery_id)
    Needs   rows of a raw table, with `_pos`, the place of the row in its record
    """
    key, is_mapped = ("landing_date", "file", "delivery_id"), F.size("problems") == 0
    alone = rows.where("_pos = 0").select(*key, F.lit(1).alias("_rows"), is_mapped.alias("_mapped"), F.lit(True).alias("_is_first"))
    of_list = (
        rows.where("_pos > 0")
        .groupBy(*key, "block", "ordinal")
        .agg(F.count("*").cast("int").alias("_rows"), F.max(is_mapped).alias("_mapped"), (F.min("_pos") == 1).alias("_is_first"))
    )
    records = alone.unionByName(of_list.drop("block", "ordinal"))
    return records.groupBy(*key).agg(
        F.count_if("_is_first").alias("record_count"),
        F.count_if(F.col("_is_first") & F.col("_mapped")).alias("mapped_count"),
        F.count_if(F.col("_is_first") & ~F.col("_mapped")).alias("rejected_count"),
        F.sum("_rows").alias("row_count"),
    )


def files(spark: SparkSession, rows: DataFrame, deliveries: Iterable[Delivery], *, source: str) -> DataFrame:
    """The manifest of what is about to be written; a file without a record has a row where its day is known.

    Grain   one row per (landing_date, file, delivery_id)
    Needs   as `counted`; and `_unmapped_names` array<string>, sorted
    """
    key = ("landing_date", "file", "delivery_id")
    # Records have few different sets of names: those are counted first, and taken apart after.
    sets = rows.where(F.size("_unmapped_names") > 0).groupBy(*key, "_unmapped_names").agg(F.count("*").alias("_count"))
    per_field = (
        sets.select(*key, "_count", F.explode("_unmapped_names").alias("_field"))
        .groupBy(*key, "_field")
        .agg(F.sum("_count").alias("_count"))
    )
    per_file = per_field.groupBy(*key).agg(
        F.map_from_entries(F.array_sort(F.collect_list(F.struct("_field", "_count")))).alias("unmapped_fields")
    )
    whole = [one.scanned for one in deliveries]
    sizes = local_frame(
        spark,
        [(one.file.name, one.delivery_id, one.size_bytes, one.record_count) for one in whole],
        "file string, delivery_id string, size_bytes long, file_record_count long",
    )
    with_records = counted(rows).join(per_file, on=list(key), how="left").join(F.broadcast(sizes), on=["file", "delivery_id"], how="inner")
    empty = local_frame(
        spark,
        [
            (one.file.landing_date, one.file.name, one.delivery_id, one.size_bytes)
            for one in whole
            if one.record_count == 0 and one.file.landing_date
        ],
        "landing_date date, file string, delivery_id string, size_bytes long",
    ).withColumns({name: F.lit(0).cast("long") for name in (*_COUNTS, "file_record_count")})
    both = with_records.unionByName(empty, allowMissingColumns=True)
    none = F.create_map().cast("map<string,bigint>")
    return conform(both.withColumns({"source": F.lit(source), "unmapped_fields": F.coalesce("unmapped_fields", none)}), RAW_FILES)


def checked(rows: DataFrame, written: DataFrame, before: DataFrame, source: Source) -> dict[str, int]:
    """Compare the manifest with the rows, both as they were written, and with the files as they were scanned.

    Returns records, mapped, rejected, rows, records of the files that wait for a run of their own days,
    the rows with each field that is not mapped, and those with each problem
    Needs   rows: with `_pos`, as `counted`; written and before: rows of raw.files, of this run and of earlier ones
    Raises  BadData naming the file whose counts do not add up
    """
    key = ("landing_date", "file", "delivery_id")
    # What is collected grows with files and days, never with records.
    found = {tuple(row[name] for name in key): tuple(row[name] for name in _COUNTS) for row in counted(rows).collect()}
    manifest = written.collect()
    told = {tuple(row[name] for name in key): tuple(row[name] for name in _COUNTS) for row in manifest}
    for place in sorted({*found, *told}):
        records, mapped, rejected, _ = told.get(place, _NONE)
        if found.get(place, _NONE) != told.get(place) or records != mapped + rejected:
            raise BadData(f"{place[1]} ({place[0]}): the rows written are not those that the file manifest counts")
    counts = {name: sum(one[place] for one in told.values()) for place, name in enumerate(("records", "mapped", "rejected", "rows"))}
    if manifest:
        counts[WAITING] = _waiting(before.unionByName(written))
    counts |= unmapped.counted((row.unmapped_fields for row in manifest), source)
    return counts | {f"reason {row.reason}": row["count"] for row in sorted(reasons.counted(rows, "problems").collect())}


def _waiting(manifest: DataFrame) -> int:
    """Records of the files in the manifest that landed on no day up to now: their days come later."""
    left = F.max("file_record_count") - F.sum("record_count")
    unsettled = manifest.groupBy(*_FILE).agg(left.alias("left_count")).where("left_count != 0").collect()
    for row in sorted(unsettled):
        if row.left_count < 0:
            raise BadData(f"{row.file}: more records were taken than the file has")
    return sum(row.left_count for row in unsettled)


def earliest_dates(per_file: Mapping[str, date | None], deliveries: Iterable[Delivery], *, first: date) -> dict[str, date]:
    """On which day the undated records of each file land, by its uri.

    The file's own day where it has one; the day of its earliest event; where no
    event can be dated the day on which this content landed before, else the
    first day of the run: never a clock's.
    """
    found = {}
    for one in deliveries:
        file = one.scanned.file
        known = min(one.known_dates) if one.known_dates else first
        found[file.uri] = file.landing_date or per_file.get(file.uri) or known
    return found
