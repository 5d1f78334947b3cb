"""What stands in the objects of a list beside their declared fields, where an expression and no path takes the list apart."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StructType

from clickmill.ingest import json_text

_OBJECTS = "array<map<string,string>>"


def unknown(objects: Column, fields: StructType, prefix: str = "") -> list[Column]:
    """The undeclared keys of objects in the `fields` of others: in lists of objects, and in lists and objects in those.

    Returns  columns of entries: each key once, after its path, with the values that it has, as a JSON list
    Needs    objects: array<map<string,string>>, the JSON text of each field
    """
    entries = []
    for field in fields.fields:
        texts, path = _values(objects, F.lit(field.name)), f"{prefix}{field.name}"
        if isinstance(field.dataType, ArrayType) and isinstance(field.dataType.elementType, StructType):
            entries += _of_objects(F.flatten(F.transform(texts, _objects)), field.dataType.elementType, f"{path}[].")
        if isinstance(field.dataType, StructType):
            entries += _of_objects(F.flatten(F.transform(texts, _object)), field.dataType, f"{path}.")
    return entries


def _of_objects(objects: Column, declared: StructType, prefix: str) -> list[Column]:
    known = F.array(*(F.lit(name) for name in declared.names))
    keys = F.array_distinct(F.flatten(F.transform(objects, lambda one: F.array_except(F.map_keys(one), known))))
    entries = F.transform(keys, lambda key: F.struct(F.concat(F.lit(prefix), key), F.to_json(_values(objects, key))))
    return [entries, *unknown(objects, declared, prefix)]


def _values(objects: Column, key: Column) -> Column:
    """The values of a key in all objects that have one."""
    return _present(F.transform(objects, lambda one: F.try_element_at(one, key)))


def _present(values: Column) -> Column:
    return F.filter(values, lambda one: one.isNotNull())


def _object(text: Column) -> Column:
    return _objects(F.concat(F.lit("["), text, F.lit("]")))


def _objects(text: Column) -> Column:
    """The objects of a JSON list; none where it is no list of objects."""
    return F.coalesce(_present(json_text.parsed(text, _OBJECTS)), F.array().cast(_OBJECTS))
