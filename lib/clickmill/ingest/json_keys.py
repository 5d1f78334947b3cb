"""Keys of JSON objects: those that nobody declared, and those that are there twice, in one case or in two."""

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from clickmill.contracts.reasons import named
from clickmill.ingest import json_text
from clickmill.ingest.records import no_map
from clickmill.ingest.source import Source

_BETWEEN = "\n"


@dataclass(frozen=True)
class Inside:
    """What stands in an object beside its declared fields: unknown ones map<string,string>, doubled ones array<string>."""

    unknown: Column
    doubled: Column


def inside(texts: Column, keys: Column, fields: StructType, prefix: str) -> Inside:
    """Unknown and doubled keys of an object and of the declared objects in it; `prefix` stands before their names."""
    unknown = F.map_filter(texts, lambda key, _: ~key.isin(fields.names))
    doubled = [_doubled(keys, fields.names, prefix)]
    objects = {field.name: field.dataType for field in fields.fields if isinstance(field.dataType, StructType)}
    if not objects and not prefix:
        return Inside(unknown, doubled[0])
    entries = [
        F.transform(
            F.map_entries(unknown),
            lambda entry: F.struct(F.concat(F.lit(prefix), entry["key"]).alias("key"), entry["value"].alias("value")),
        )
    ]
    for name, inner in objects.items():
        text = F.try_element_at(texts, F.lit(name))
        below = inside(json_text.parsed(text, json_text.TEXTS), F.json_object_keys(text), inner, f"{prefix}{name}.")
        entries.append(F.coalesce(F.map_entries(below.unknown), F.map_entries(no_map())))
        doubled.append(F.coalesce(below.doubled, named({})))
    return Inside(F.map_from_entries(F.concat(*entries)), F.concat(*doubled))


def _doubled(keys: Column, names: list[str], prefix: str) -> Column:
    """Which of the names are there twice. Hardly a record has one: the check by name is made only where two keys are alike.

    For that look keys are lowered as one text, for a function of each of them would take the step out of the code that Spark
    compiles; a key with the separator in it is no reason not to look.
    """
    lowered = F.transform(keys, lambda key: F.lower(key))
    times = {f"{prefix}{name}": F.size(F.array_remove(lowered, name.lower())) < F.size(lowered) - 1 for name in names}
    parts = F.split(F.lower(F.array_join(keys, _BETWEEN)), _BETWEEN)
    are_different = (F.size(parts) == F.size(keys)) & (F.size(F.array_distinct(parts)) == F.size(keys))
    return F.when(F.coalesce(are_different, F.lit(True)), named({})).otherwise(named(times))


def two_values(doubled: Column, source: Source, fields: StructType) -> Column:
    """The doubled fields that something reads, each by the columns that read it; deeper ones by their own path."""
    conditions = {}
    for column, read in source.fields_of_columns(fields.names).items():
        if read:
            conditions[f"two_values_for_{column}"] = F.arrays_overlap(doubled, F.array(*(F.lit(name) for name in read)))
    deeper = F.transform(F.filter(doubled, lambda name: F.instr(name, ".") > 0), lambda name: F.concat(F.lit("two_values_for_"), name))
    return F.concat(named(conditions), deeper)


def with_unread(unknown: Column, texts: Column, unread: list[str]) -> Column:
    """Unknown fields, and the declared ones that nothing reads."""
    if not unread:
        return unknown
    return F.map_concat(unknown, F.map_filter(texts, lambda key, _: key.isin(unread)))
