"""The first YAML of a source, from a look at one of its files: what could be guessed, and the rest as questions."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clickmill.contracts.errors import UsageError
from clickmill.contracts.events import EVENT_TYPES
from clickmill.ingest.guess import Sample, look
from clickmill.ingest.guess_roles import Roles, roles
from clickmill.ingest.guess_words import OF_THE_OBJECT, bare
from clickmill.ingest.source import COLUMNS, Source, parse

_NAME_DATE = r"(?<!\d)(20\d{2}-?\d{2}-?\d{2})(?!\d)(?=[^/]*$)"
_WORDS_OF_YAML = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
_ZONE = "  # ? zone: of which time zone are these times? (zone: Europe/London; without it they are those of the shop)"
_MANY_FIELDS = 20
_DAY_FIRST = "day and month may be the other way round"
_MANY_TOLD = 60
_MARKS = {",": "comma", ".": "point"}


@dataclass(frozen=True)
class Draft:
    """The text of a source file, the keys that are questions, and why it cannot be parsed yet, if so."""

    text: str
    questions: tuple[str, ...]
    problem: str | None


def draft(path: Path, name: str, known: Mapping[str, Source]) -> Draft:
    """The first YAML of the source `name`, guessed from one file; no value of a record is in it but literals of event types.

    Raises  UsageError when the name or the path is wrong, BadData naming the file that cannot be read
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(f"--name {name}: expected small letters, digits and underscores, such as my_shop")
    sample = look(path, known)
    like = sample.questions.pop("like", None) or _like(sample, known)
    found = roles(sample)
    lines = [f"# Guessed from {path.name}. Lines that begin with `# ?` are questions: decide, and take them out.", f"name: {name}"]
    if like:
        lines.append(f"# ? like: the fields are those of the source `{like}`; try it first: clickmill sources check FILE --source {like}")
    if found.site_id:
        lines.append(f"site_id: {_plain(found.site_id)}")
    else:
        lines += [f"site_id: {{constant: {name}}}", "# ? site_id: a field, where the file holds several sites"]
    lines += [
        *_read(sample, path),
        *_landing(path),
        *_explode(sample, found),
        *_columns(found, sample),
        *_event_types(found),
        *_ids(found, sample),
    ]
    text = "\n".join(lines) + "\n"
    questions = tuple(dict.fromkeys(re.findall(r"^\s*# \? ([\w.]+)", text, re.MULTILINE)))
    return Draft(text, questions, _problem(text, name))


def name_of(path: Path) -> str:
    """A name for the source of a file: that of the file, without dates and numbers."""
    words = re.findall(r"[a-z]+", re.sub(r"[.].*", "", path.name).lower())
    return "_".join(words) or "my_source"


def _problem(text: str, name: str) -> str | None:
    try:
        parse(text, f"{name}.yaml")
    except UsageError as error:
        return str(error)
    return None


def _like(sample: Sample, known: Mapping[str, Source]) -> str | None:
    """A known source whose times, types and ids could be read from these fields, or whose many fields are as many as here."""
    fields = {re.split(r"[.\[]", path)[0] for path in sample.values}
    for source in known.values():
        given = source.read.fields
        formats = (source.read.format, "parquet") if source.read.format == "json" else (source.read.format,)
        if source.table != "events" or sample.read["format"] not in formats:
            continue
        if isinstance(given, list) and sample.read.get("header") is False and len(given) == len(sample.values) > _MANY_FIELDS:
            return source.name
        if isinstance(given, str):
            declared = re.findall(r"(\w+) (?:STRING|STRUCT|ARRAY)", given)
            read = source.fields_of_columns([*declared, "item"])
            needed = {name for key in ("event_at", "event_types.from", "ids.key.0") for name in read.get(key, [])}
            # What an element says is read from the array that holds it.
            needed = needed - {"item"} | set(read["explode"]) if source.explode and "item" in needed else needed
            if len(needed) > 1 and needed <= fields:
                return source.name
    return None


def _read(sample: Sample, path: Path) -> list[str]:
    suffixes = [part for part in re.findall(r"[.][A-Za-z]+", path.name)[-2:] if part.lower() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    lines = ["read:", f"  format: {sample.read['format']}"]
    lines += [f'  files: "*{suffix}*"'] if suffix else []
    for key, value in sample.read.items():
        if key == "fields" and isinstance(value, str):
            lines += ["  fields: >-", *(f"    {part}" for part in _wrapped(value))]
        elif key == "fields":
            lines.append(f"  fields: [{', '.join(map(_plain, value))}]")
            lines.append("  # ? read.fields: what are the fields called?")
        elif key != "format":
            lines.append(f"  {key}: {_plain(value) if isinstance(value, str) else json.dumps(value)}")
    return lines + [f"  # ? {key}: {text}" for key, text in sample.questions.items()]


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for part in re.split(r"(?<=, )", text):
        if lines[-1] and len(lines[-1]) + len(part) > 110:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def _landing(path: Path) -> list[str]:
    count = len(re.findall(_NAME_DATE, path.name))
    by_name = f"{{name: '{_NAME_DATE}', history: event_day}}"
    if count == 1:
        return [
            f"landing_date: {by_name}",
            "# ? landing_date: is the date in the name the day of delivery? Records more than `clean.lateness_days` days older are turned"
            " away as too late; without `name` each lands on its own day, as it must where a file holds a week or a month",
        ]
    asked = "a pattern of the day of delivery, where names of files or folders hold it"
    if count:
        asked = f"is the last date in the name the day of delivery, and are no records days older? Then {by_name}"
    return ["landing_date: {history: event_day}", f"# ? landing_date: {asked}"]


def _explode(sample: Sample, found: Roles) -> list[str]:
    lines = [f"explode: {found.explode}"] if found.explode else []
    others = [array for array in sample.arrays if array != found.explode]
    if others:
        lines.append(f"# ? explode: arrays that are not read one by one: {', '.join(others)}")
    return lines


def _columns(found: Roles, sample: Sample) -> list[str]:
    lines = ["columns:" if found.event_at or found.columns else "columns: {}"]
    for name in COLUMNS["events"]:
        if name == "event_at" and found.event_at:
            lines += _event_at(found)
        elif name in found.columns:
            lines += _column(name, found)
    if not found.event_at:
        lines.append("  # ? columns.event_at: when did it happen? No field looks like a time. (States of items or users: table: items)")
    for name in ("visitor_id", "item_id"):
        if name not in found.columns:
            lines.append(f"  # ? columns.{name}: which field is it?")
    if found.columns.get("visitor_id") and found.columns.get("visitor_id") == found.columns.get("account_id"):
        lines.append("  # ? columns.visitor_id: is it a signed-in account, a device, or both?")
    unused = _unused(found, sample)
    if unused:
        more = f" and {len(unused) - _MANY_TOLD} more" if len(unused) > _MANY_TOLD else ""
        lines.append(f"  # ? columns: not mapped yet: {' '.join(', '.join(unused[:_MANY_TOLD]).split())}{more}")
    return lines


def _column(name: str, found: Roles) -> list[str]:
    paths = found.columns[name]
    expression = paths[0] if len(paths) == 1 else f"coalesce({', '.join(paths)})"
    if name not in found.marks:
        return [f"  {name}: {_plain(expression)}"]
    marks = found.marks[name]
    lines = [f"  {name}: {_plain(marks.plain(expression))}"]
    for mark in marks.unsure:
        taken = "what groups digits" if mark in marks.groups else "the decimal mark"
        lines.append(f"  # ? columns.{name}: is the {_MARKS[mark]} the decimal mark, or does it group digits? Here it is {taken}")
    return lines


def _unused(found: Roles, sample: Sample) -> list[str]:
    """The fields that nothing reads, sorted; those of the exploded array as expressions call them."""
    of_columns = (path for paths in found.columns.values() for path in paths)
    used = {found.event_at, found.event_type, found.site_id, _own_id(found), *of_columns}
    inside = f"{found.explode}[]."
    told = {f"item.{path.removeprefix(inside)}" if path.startswith(inside) else path for path in sample.values}
    return sorted(told - used)


def _event_at(found: Roles) -> list[str]:
    time = found.time
    assert time is not None and found.event_at is not None
    parts = [f"value: {_plain(found.event_at)}"]
    parts += [f"unit: {time.unit}"] if time.unit else []
    parts += [f"format: {json.dumps(time.format)}"] if time.format else []
    lines = [f"  event_at: {{{', '.join(parts)}}}" if len(parts) > 1 else f"  event_at: {_plain(found.event_at)}"]
    lines += [f"  # ? columns.event_at.format: {_DAY_FIRST}"] if time.is_unsure else []
    lines += [f"  # ? columns.event_at: other fields are times too: {', '.join(found.other_times)}"] if found.other_times else []
    return lines + ([_ZONE] if time.is_local else [])


def _event_types(found: Roles) -> list[str]:
    lines = ["day_only: true"] if found.time and found.time.is_day else []
    if not found.event_type:
        kind = "item_view" if "item_id" in found.columns else "page_view"
        return [*lines, f"event_types: {{constant: {kind}}}", "# ? event_types: no field looks like one; what do these records tell of?"]
    told = {text: kind for text, kind in found.literals.items() if kind}
    lines += ["event_types:", f"  from: {_plain(found.event_type)}", "  map:"]
    lines += [f"    {_plain(text)}: {kind}" for text, kind in told.items()]
    rest = [text for text in found.literals if text not in told]
    lines += [f"  # ? event_types.map: {_plain(text)}" for text in rest]
    return lines + ([f"  # ? event_types.map: each is one of {', '.join(EVENT_TYPES)}"] if rest else [])


def _ids(found: Roles, sample: Sample) -> list[str]:
    if own_id := _own_id(found):
        lines = ["ids:", f"  key: [{_plain(own_id)}]"]
        *above, last = own_id.split(".")
        is_bare = bare(last) in OF_THE_OBJECT and "event" not in map(bare, above[-1:])
        return [*lines, f"  # ? ids.key: is {own_id} the event's own, and not that of a user or an item?"] if is_bare else lines
    is_of_item = bool(found.event_at and found.event_at.startswith("item."))
    paths = [found.event_at, found.event_type, *(found.columns.get(name, (None,))[0] for name in ("order_id", "item_id", "page_url"))]
    key = [path for path in dict.fromkeys(paths) if path and (is_of_item or not path.startswith("item."))]
    lines = ["ids:", f"  key: [{', '.join(map(_plain, key or list(sample.values)[:5]))}]"]
    return [*lines, "  # ? ids.key: which fields make an event the same event when it comes again? No field looks like an id of its own"]


def _own_id(found: Roles) -> str | None:
    """The id of the event: that of an item is none."""
    return found.event_id if found.event_id and not found.event_id.startswith("item.") else None


def _plain(text: str) -> str:
    """Text as YAML has it, in quotes where it must be."""
    is_plain = re.fullmatch(r"[A-Za-z_][\w.]*( [\w.]+)*", text) and text.lower() not in _WORDS_OF_YAML
    return text if is_plain else json.dumps(text, ensure_ascii=False)
