"""Fields that nobody mapped, counted by name for whoever started the run."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from pyspark.sql.types import ArrayType, DataType, StructType

from clickmill.ingest import json_lines
from clickmill.ingest.source import Source

NOT_MAPPED = "not mapped "
"""Stands before the name of a field among the counts of a run."""

OTHERS = f"{NOT_MAPPED}other names"
_MOST = 100
# A field may be called after somebody, where an object is used as a list: an address or a number is no name of a field.
_NAME = re.compile(r"[^\W\d][\w.\[\] -]{0,39}")


def counted(fields: Iterable[Mapping[str, int]], source: Source) -> dict[str, int]:
    """How many rows have each field, from the manifest of each file; a field that differs from a declared one by case says so.

    Names that are no names of fields count as others, and so do those beyond the hundred that most rows have.
    """
    total: Counter[str] = Counter()
    for one in fields:
        total.update(one)
    declared = {name.lower(): name for name in _declared(source)}
    told: Counter[str] = Counter()
    for name, count in sorted(total.items(), key=lambda pair: (-pair[1], pair[0])):
        is_told = len(told) < _MOST and _NAME.fullmatch(name)
        told[_key(name, declared.get(name.lower(), name)) if is_told else OTHERS] += count
    return dict(told)


def _key(name: str, declared: str) -> str:
    return f"{NOT_MAPPED}{name}" + (f" (declared as {declared})" if declared != name else "")


def _declared(source: Source) -> set[str]:
    """The declared fields of JSON, each after its path; a file with a header that lacks a field in its case is refused before."""
    if source.read.format != "json":
        return set()
    return set(_paths(json_lines.declared(source), "", has_items=source.explode is not None))


def _paths(fields: DataType, prefix: str, *, has_items: bool) -> list[str]:
    found = []
    for field in fields.fields if isinstance(fields, StructType) else []:
        path, is_list = f"{prefix}{field.name}", isinstance(field.dataType, ArrayType)
        inner = field.dataType.elementType if isinstance(field.dataType, ArrayType) else field.dataType
        found += [path, *_paths(inner, f"{path}[]." if is_list else f"{path}.", has_items=has_items)]
        # Elements of the list that is exploded are called so.
        found += _paths(inner, "item.", has_items=False) if is_list and has_items else []
    return found
