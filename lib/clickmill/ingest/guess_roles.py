"""Which field of an unknown file plays which part: told from its name and from what its values look like."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from clickmill.contracts.events import EVENT_TYPES
from clickmill.ingest.guess import Sample
from clickmill.ingest.guess_numbers import Marks, is_number, marks
from clickmill.ingest.guess_words import (
    ENVELOPES,
    EVENT_AT,
    EVENT_ID,
    EVENT_TYPE,
    LITERALS,
    MAYBE_SALES,
    NAMES,
    NUMBERS,
    OF_THE_OBJECT,
    SITE_ID,
    TIMES,
    bare,
    is_known,
)
from clickmill.ingest.times import HAS_OFFSET, ISO_DAY, ISO_TIME

_UNITS = {"seconds": (r"1\d{9}([.]\d+)?", 1), "milliseconds": (r"1\d{12}", 1000), "microseconds": (r"1\d{15}", 1_000_000)}
_MOST = 0.9
"""Share of the values that must look like a time or a number: real files hold some that do not."""
_MANY_TYPES = 40
_DISTINCT = 0.8
"""Share of the ids of events that are different in a file that holds copies."""
_KINDS = {word: name for name, words in LITERALS.items() for word in words.split()} | {bare(name): name for name in EVENT_TYPES}
# Patterns of Spark and of Python for the same text; the day comes first in the first of a pair that looks alike.
_FORMATS = [
    (f"{day}{gap}{spark}", f"{python}{gap}{clock}")
    for day, python in (
        ("yyyy/MM/dd", "%Y/%m/%d"),
        ("yyyyMMdd", "%Y%m%d"),
        ("d.M.yyyy", "%d.%m.%Y"),
        ("d/M/yyyy", "%d/%m/%Y"),
        ("M/d/yyyy", "%m/%d/%Y"),
        ("d-M-yyyy", "%d-%m-%Y"),
    )
    for gap, spark, clock in ((" ", "H:mm:ss", "%H:%M:%S"), (" ", "H:mm", "%H:%M"), ("", "HHmmss", "%H%M%S"), ("", "", ""))
] + [("dd/MMM/yyyy:HH:mm:ss Z", "%d/%b/%Y:%H:%M:%S %z")]


@dataclass(frozen=True)
class Time:
    """How the times of a field are written; `is_unsure` where day and month may be the other way round."""

    unit: str | None = None
    format: str | None = None
    is_day: bool = False
    is_local: bool = False
    is_unsure: bool = False


@dataclass(frozen=True)
class Roles:
    """The fields of each column that was found, and what else makes a source.

    columns      the field of each column; behind one of an item that of its event, which holds where the item says nothing
    marks        of the columns that are numbers
    other_times  fields that are times too, and of which no column was made
    """

    columns: Mapping[str, tuple[str, ...]]
    marks: Mapping[str, Marks]
    event_at: str | None
    time: Time | None
    other_times: tuple[str, ...]
    event_type: str | None
    literals: Mapping[str, str | None]
    event_id: str | None
    site_id: str | None
    explode: str | None


def roles(sample: Sample) -> Roles:
    """Give each part of an event to the field that fits it best; a field of the exploded array is `item.` and its name."""
    explode = _exploded(sample)
    fields = _fields(sample, explode)
    times = {path: time for path, found in fields.items() if (time := _time(found))}
    # What is the same in every record tells of something else than the event, such as when an account was made.
    event_at = _event_at([path for path in times if len(set(fields[path])) > 1]) or _event_at(list(times))
    left = {path: found for path, found in fields.items() if path not in times}
    few = {path: found for path, found in left.items() if len(set(found)) <= _MANY_TYPES and not _are_numbers(found)}
    told = [path for path, found in few.items() if _share(found, lambda text: bare(text) in _KINDS) >= _MOST]
    event_type = _named(EVENT_TYPE, few) or next(iter(told), None)
    event_id = _named(EVENT_ID, [path for path, found in left.items() if len(set(found)) >= _DISTINCT * len(found) > 1])
    site_id = _named(SITE_ID, left)
    columns = _columns(left, times, {event_at, event_type, event_id, site_id})
    return Roles(
        columns=columns,
        marks={name: marks(text for path in columns[name] for text in left[path]) for name in NUMBERS & set(columns)},
        event_at=event_at,
        time=times[event_at] if event_at else None,
        other_times=tuple(path for path in times if path not in (event_at, *columns.get("received_at", ()))),
        event_type=event_type,
        literals=_literals(fields[event_type]) if event_type else {},
        event_id=event_id,
        site_id=site_id,
        explode=explode,
    )


def _fields(sample: Sample, explode: str | None) -> dict[str, list[str]]:
    """The fields that hold something; those of an item go before those of its event."""
    outer = {path: found for path, found in sample.values.items() if "[]" not in path and found}
    if explode is None:
        return outer
    inside = {path.removeprefix(f"{explode}[]."): found for path, found in sample.values.items() if path.startswith(f"{explode}[].")}
    return {f"item.{path}": found for path, found in inside.items() if "[]" not in path and found} | outer


def _event_at(times: list[str]) -> str | None:
    """The time that is called as one of events, else the first whose name says nothing else."""
    return _named(EVENT_AT, times) or next((path for path in times if not is_known(path)), None)


def _literals(found: list[str]) -> dict[str, str | None]:
    """The event type of each literal, None where it is to be asked."""
    kinds = {text: _KINDS.get(bare(text)) for text in sorted(set(found))}
    maybe = {text for text in kinds if bare(text) in MAYBE_SALES.split()}
    has_sale = any(kind == "purchase" for text, kind in kinds.items() if text not in maybe)
    return {text: None if has_sale and text in maybe else kind for text, kind in kinds.items()}


def _columns(left: Mapping[str, list[str]], times: Mapping[str, Time], taken: set[str | None]) -> dict[str, tuple[str, ...]]:
    columns: dict[str, tuple[str, ...]] = {}
    for name, words in NAMES.items():
        among: Mapping[str, object] = times if name in TIMES else left
        found = _named(words, [path for path in among if path not in taken])
        if found and (name not in NUMBERS or _are_numbers(left[found])):
            outer = found.removeprefix("item.")
            columns[name] = (found, outer) if outer != found and outer in among else (found,)
            taken = taken | set(columns[name])
    if "visitor_id" not in columns and "account_id" in columns:
        columns["visitor_id"] = columns["account_id"]
    return columns


def _exploded(sample: Sample) -> str | None:
    """The array whose elements are items, else one whose elements have times of their own."""
    words = {word for name in ("item_id", "price", "quantity") for word in NAMES[name].split()}
    of_items, of_events = [], []
    for array in sample.arrays:
        inside = {path.removeprefix(f"{array}[]."): found for path, found in sample.values.items() if path.startswith(f"{array}[].")}
        direct = {path: found for path, found in inside.items() if "[]" not in path and "[]" not in array}
        of_items += [array] if any(bare(path) in words for path in direct) else []
        of_events += [array] if any(map(_time, direct.values())) else []
    return next(iter(of_items + of_events), None)


def _named(words: str, fields: Iterable[str]) -> str | None:
    """The field whose name is the first of the words; of an item before others, and of those one that lies less deep."""
    ordered = sorted(fields, key=lambda path: (not path.startswith("item."), path.count(".")))
    names = [(name, path) for path in ordered for name in _names(path)]
    return next((path for word in words.split() for name, path in names if name == word), None)


def _names(path: str) -> set[str]:
    """What a field may be called: by its whole path, its last two names or its last one. The id of a user is no id of the event."""
    *above, last = path.split(".")
    names = {bare(path), bare("".join([*above[-1:], last]))}
    tells_nothing = bare(last) in OF_THE_OBJECT and above and bare(above[-1]) not in ENVELOPES
    return names if tells_nothing else names | {bare(last)}


def _are_numbers(found: list[str]) -> bool:
    return _share(found, is_number) >= _MOST


def _share(found: list[str], holds: Callable[[str], bool]) -> float:
    return sum(holds(text.strip()) for text in found) / max(len(found), 1)


def _time(found: list[str]) -> Time | None:
    """How nearly all of the values are written as times; None where they are none."""
    for unit, (pattern, per_second) in _UNITS.items():
        if _share(found, partial(_counts, pattern=pattern, per_second=per_second)) >= _MOST:
            return Time(unit=unit)
    if _share(found, lambda text: re.fullmatch(ISO_DAY, text) is not None) >= _MOST:
        return Time(is_day=True)
    if _share(found, lambda text: re.fullmatch(ISO_TIME, text) is not None) >= _MOST:
        return Time(is_local=not all(re.search(HAS_OFFSET, text.strip()) for text in found))
    shares = {one: _share(found, partial(_parses, pattern=one[1])) for one in _FORMATS}
    best = max(shares.values())
    if best < _MOST:
        return None
    (spark, python), *others = (one for one, share in shares.items() if share == best)
    return Time(format=spark, is_day="H" not in spark, is_local="%z" not in python, is_unsure=bool(others))


def _counts(text: str, pattern: str, per_second: int) -> bool:
    return re.fullmatch(pattern, text) is not None and float(text) / per_second < 2.1e9


def _parses(text: str, pattern: str) -> bool:
    try:
        return 1990 <= datetime.strptime(text, pattern).year < 2100
    except ValueError:
        return False
