"""JSON lines -> records. Nothing is inferred: the fields that the source declares are read, the others are counted.

Spark's reader takes more than JSON (several values on a line, what follows a
value) and resolves doubled keys in silence, so the verdict on a line is our own:
the line is JSON if, put into an array, it is one element, and put into an object,
one value.
"""

import re
from functools import reduce
from operator import or_

from pyspark.errors import ParseException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, StringType, StructField, StructType

from clickmill.contracts.errors import UsageError
from clickmill.contracts.reasons import named
from clickmill.ingest import json_keys, json_lists, json_text
from clickmill.ingest.records import PLACE, Records, no_map, quoted
from clickmill.ingest.source import Source


def declared(source: Source) -> StructType:
    """The fields that the source declares.

    Raises  UsageError when `read.fields` is no DDL, or a leaf is not STRING: only as text can a value that does not fit be told
    """
    try:
        fields = StructType.fromDDL(str(source.read.fields))
    except ParseException:
        fields = None
    if not isinstance(fields, StructType):
        raise UsageError(f"{source.name}.yaml: read.fields: expected Spark DDL, such as `user STRING, items ARRAY<STRUCT<id: STRING>>`")
    wrong = _not_text(fields, "")
    if wrong:
        raise UsageError(f"{source.name}.yaml: read.fields: {wrong[0]}: expected STRING; columns take the type of the contract later")
    return fields


def _not_text(data_type: DataType, path: str) -> list[str]:
    if isinstance(data_type, StructType):
        return [wrong for field in data_type.fields for wrong in _not_text(field.dataType, f"{path}.{field.name}".lstrip("."))]
    if isinstance(data_type, ArrayType):
        return _not_text(data_type.elementType, f"{path}[]")
    return [] if isinstance(data_type, StringType) else [path]


def records(lines: DataFrame, source: Source, file: str) -> Records:
    """Fields have the declared types, exact in case; a line that is no JSON object has none.

    Grain   one row per line; problems: bad_encoding (also where half a character is escaped), empty_line, bad_json, not_an_object,
            two_values_for_<column> (a key that a column reads is there twice, or spelt in two cases), bad_<field> (a list or
            object where text was declared, or the reverse)
    """
    fields = declared(source)
    line, is_empty = F.col("__line"), F.trim("__line") == ""
    lines = lines.withColumns(
        {
            "__objects": F.from_json(json_text.wrapped(line), f"map<string,{json_text.TEXTS}>", json_text.STRICT),
            "__is_half": json_text.has_half_character(line),
            "__keys": F.json_object_keys("__line"),
        }
    )
    verdict = F.col("__is_text") & _is_one_value(line, F.col("__objects"))
    lines = lines.withColumns({"__is_json": F.coalesce(verdict, F.lit(False)), "__texts": F.try_element_at("__objects", F.lit("v"))})
    lines = lines.withColumn("__readable", F.col("__is_json") & ~F.col("__is_half") & F.col("__texts").isNotNull())
    # A line of a lenient reader's making must not be read after all.
    lines = lines.withColumns({"__texts": F.when(F.col("__readable"), F.col("__texts")), "__exact": json_text.with_exact_numbers(line)})
    exact = F.when(F.col("__exact") == line, F.col("__texts")).otherwise(json_text.parsed(F.col("__exact"), json_text.TEXTS))
    nested = json_text.nested(line, _texts(fields))
    lines = lines.withColumns({"__exact_texts": F.when(F.col("__readable"), exact), "__nested": nested})
    whole = {
        "bad_encoding": ~F.col("__is_text") | (F.col("__is_json") & F.col("__is_half")),
        "empty_line": is_empty,
        "bad_json": ~is_empty & ~F.col("__is_json"),
        "not_an_object": F.col("__is_json") & ~F.col("__is_half") & F.col("__texts").isNull(),
    }
    items = _items_path(source, fields)
    lines, misfits = _with_fields(lines, fields, items, unread=source.unmapped(fields.names))
    inside = json_keys.inside(F.col("__texts"), F.col("__keys"), fields, "")
    # Hardly a record has a key twice; what is asked of every column is asked of those only.
    lines = lines.withColumn("__doubled", inside.doubled)
    two_values = F.when(F.size("__doubled") > 0, json_keys.two_values(F.col("__doubled"), source, fields)).otherwise(named({}))
    problems = F.concat(named(whole), F.when(F.col("__readable"), F.concat(named(misfits), two_values)).otherwise(named({})))
    unmapped = json_keys.with_unread(inside.unknown, F.col("__texts"), source.unmapped(fields.names))
    # Elements that a path names are looked into one by one; where an expression takes lists apart, as they stand in the record.
    taken_apart = source.fields_of_columns(fields.names)["explode"] if source.explode and not items else []
    lists = [fields[name] for name in taken_apart if isinstance(fields[name].dataType, ArrayType)]
    in_lists = json_lists.unknown(F.array("__texts"), StructType(lists))
    unmapped = F.map_concat(unmapped, F.map_from_entries(F.concat(*in_lists))) if in_lists else unmapped
    extra = ["__items"] if items else []
    frame = lines.select(
        *PLACE,
        line.alias("__text"),
        problems.alias("__problems"),
        "__readable",
        unmapped.alias("__unmapped"),
        *extra,
        *map(quoted, fields.names),
    )
    return Records(frame, tuple(fields.names), file, _type_at(fields, items) if items else None)


def item(text: Column, item_type: DataType) -> tuple[Column, Column, json_keys.Inside]:
    """One element of an array, from its JSON text: the value, whether it does not fit its type, and what else is in it."""
    if isinstance(item_type, StringType):
        return text, text.isNull(), json_keys.Inside(no_map(), named({}))
    parsed = F.from_json(json_text.wrapped(text), _with_corrupt(item_type), json_text.STRICT)
    does_not_fit = text.isNull() | parsed["__corrupt"].isNotNull()
    if not isinstance(item_type, StructType):
        return parsed["v"], does_not_fit, json_keys.Inside(no_map(), named({}))
    inside = json_keys.inside(json_text.parsed(text, json_text.TEXTS), F.json_object_keys(text), item_type, "item.")
    return parsed["v"], does_not_fit | _is_nested(text, item_type), inside


def _texts(fields: StructType) -> list[str]:
    """The fields that are declared as text."""
    return [field.name for field in fields.fields if isinstance(field.dataType, StringType)]


def _is_one_value(line: Column, objects: Column) -> Column:
    """Whether a line is JSON; `objects` is what was read of it as the value of an object, null where that is no object of objects."""
    in_array = F.from_json(F.concat(F.lit("["), line, F.lit("]")), "array<string>", json_text.STRICT)
    in_object = F.from_json(json_text.wrapped(line), json_text.TEXTS, json_text.STRICT)
    is_one_of_object = F.when(objects.isNotNull(), F.size(objects) == 1).otherwise(F.size(in_object) == 1)
    return (F.size(in_array) == 1) & is_one_of_object


def _with_corrupt(data_type: DataType) -> StructType:
    return StructType([StructField("v", data_type), StructField("__corrupt", StringType())])


def _with_fields(lines: DataFrame, fields: StructType, items: list[str], *, unread: list[str]) -> tuple[DataFrame, dict[str, Column]]:
    """The declared fields as columns, `__items` as texts, and where a value has another shape than declared."""
    misfits: dict[str, Column] = {}
    for field in fields.fields:
        text = F.try_element_at("__exact_texts", F.lit(field.name))
        if isinstance(field.dataType, StringType):
            if field.name not in unread:
                misfits[f"bad_{field.name}"] = F.array_contains("__nested", field.name)
            lines = lines.withColumn(field.name, text)
            continue
        lines = lines.withColumn(field.name, F.from_json(json_text.wrapped(text), _with_corrupt(field.dataType), json_text.STRICT)["v"])
        is_root = bool(items) and items[0] == field.name
        # Elements of the exploded array are judged one by one, so here they are any text.
        judged = _with_text_items(field.dataType, items[1:]) if is_root else field.dataType
        parsed = F.from_json(json_text.wrapped(text), _with_corrupt(judged), json_text.STRICT)
        nested = _is_nested(text, _without_items(field.dataType, items[1:])) if is_root else _is_nested(text, field.dataType)
        misfits[f"bad_{field.name}"] = parsed["__corrupt"].isNotNull() | nested
        if is_root:
            found = parsed["v"]
            for name in items[1:]:
                found = found[name]
            lines = lines.withColumn("__items", found)
    return lines, misfits


def _items_path(source: Source, fields: StructType) -> list[str]:
    """The path of the exploded array, where it is a plain path to a declared one; else nothing."""
    path = source.explode.split(".") if source.explode and re.fullmatch(r"\w+(\.\w+)*", source.explode) else []
    return path if path and _type_at(fields, path) is not None else []


def _type_at(fields: StructType, path: list[str]) -> DataType | None:
    found: DataType = fields
    for name in path:
        if not isinstance(found, StructType) or name not in found.names:
            return None
        found = found[name].dataType
    return found.elementType if isinstance(found, ArrayType) else None


def _is_nested(text: Column, data_type: DataType) -> Column:
    """Whether in a value, from its JSON text, a list or an object stands where text is declared, however deep."""
    if isinstance(data_type, StructType):
        texts = json_text.parsed(text, json_text.TEXTS)
        below = [
            _is_nested(F.try_element_at(texts, F.lit(field.name)), field.dataType)
            for field in data_type.fields
            if not isinstance(field.dataType, StringType)
        ]
        own = [F.size(json_text.nested(text, _texts(data_type))) > 0] if _texts(data_type) else []
        return reduce(or_, [F.coalesce(one, F.lit(False)) for one in [*own, *below]], F.lit(False))
    if not isinstance(data_type, ArrayType):
        return F.lit(False)
    if isinstance(data_type.elementType, StringType):
        return F.coalesce(json_text.has_nested_element(text), F.lit(False))
    elements = json_text.parsed(text, "array<string>")
    return F.coalesce(F.exists(elements, lambda one: _is_nested(one, data_type.elementType)), F.lit(False))


def _without_items(data_type: DataType, path: list[str]) -> DataType:
    """The type without the array at `path`, whose elements are judged one by one."""
    if not isinstance(data_type, StructType) or not path:
        return StringType()
    kept = [StructField(f.name, _without_items(f.dataType, path[1:])) if f.name == path[0] else f for f in data_type.fields]
    return StructType(kept if path[1:] else [f for f in data_type.fields if f.name != path[0]])


def _with_text_items(data_type: DataType, path: list[str]) -> DataType:
    if not path:
        return ArrayType(StringType())
    assert isinstance(data_type, StructType)
    return StructType(
        [StructField(f.name, _with_text_items(f.dataType, path[1:]) if f.name == path[0] else f.dataType) for f in data_type.fields]
    )
