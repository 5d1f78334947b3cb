"""What stands in the objects of a list beside their declared fields, where an expression and no path takes the list apart."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StructType

_OBJECTS = "array<map<string,string>>"


def unknown(text: Column, element: StructType, prefix: str) -> list[Column]:
    """The undeclared keys of a list's objects, and of lists and objects in them.

    Returns  columns of entries: each key once, after `prefix`, with the values that it has, as a JSON list
    """
    return _unknown(_objects(text), element, prefix)


def _unknown(objects: Column, element: StructType, prefix: str) -> list[Column]:
    known = F.array(*(F.lit(name) for name in element.names))
    keys = F.array_distinct(F.flatten(F.transform(objects, lambda one: F.array_except(F.map_keys(one), known))))
    entries = [F.transform(keys, lambda key: F.struct(F.concat(F.lit(prefix), key), F.to_json(_values(objects, key))))]
    for field in element.fields:
        texts = _values(objects, F.lit(field.name))
        if isinstance(field.dataType, ArrayType) and isinstance(field.dataType.elementType, StructType):
            below = F.flatten(F.transform(texts, _objects))
            entries += _unknown(below, field.dataType.elementType, f"{prefix}{field.name}[].")
        if isinstance(field.dataType, StructType):
            below = F.flatten(F.transform(texts, _object))
            entries += _unknown(below, field.dataType, f"{prefix}{field.name}.")
    return entries


def _values(objects: Column, key: Column) -> Column:
    """The values of a key in all objects that have one."""
    return _present(F.transform(objects, lambda one: F.try_element_at(one, key)))


def _present(values: Column) -> Column:
    return F.filter(values, lambda one: one.isNotNull())


def _object(text: Column) -> Column:
    return _objects(F.concat(F.lit("["), text, F.lit("]")))


def _objects(text: Column) -> Column:
    """The objects of a JSON list; none where it is no list of objects."""
    parsed = F.from_json(F.concat(F.lit('{"v":'), text, F.lit("}")), f"v {_OBJECTS}", {"mode": "PERMISSIVE"})["v"]
    return F.coalesce(_present(parsed), F.array().cast(_OBJECTS))
