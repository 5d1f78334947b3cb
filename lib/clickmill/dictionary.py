"""The data dictionary docs/tables.md, written from schemas/, expectations/ and the jobs: `python -m clickmill.dictionary`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from clickmill import river
from clickmill.contracts import suite
from clickmill.contracts.suite import Rule
from clickmill.contracts.table import Table
from clickmill.contracts.tables import ALL
from clickmill.inputs import Job

FILE = Path("docs/tables.md")
_WRITES = {
    "days": "a run replaces its days",
    "last_day": "a run replaces its last day",
    "append": "a run adds rows and changes none",
}


def text() -> str:
    """The whole page."""
    jobs = river.jobs()
    lines = [
        "# Data dictionary",
        "",
        "Written by `make docs` from `schemas/`, `expectations/` and `jobs/`; a test fails when it is stale. All instants are UTC; a",
        "day is a day of the shop's zone. `personal`: *direct* names a person, *linked* belongs to one, *none* does not. A column",
        "that may be null says so; what null means stands with it.",
    ]
    for table in ALL:
        lines += ["", f"## {table.name}", "", f"{table.comment}.", "", *_facts(table, jobs), "", *_columns(table)]
        if table.layer != "ops":
            lines += ["", *_rules(table)]
    return "\n".join(lines) + "\n"


def _facts(table: Table, jobs: Mapping[str, Job]) -> Iterator[str]:
    writer = next((name for name, job in jobs.items() if table in job.WRITES), "every run")
    readers = [name for name, job in jobs.items() if name != writer and table in {read.table for read in job.READS}]
    yield f"- key: {', '.join(f'`{name}`' for name in table.key)}"
    yield f"- partitioned by `{table.day}`; {_WRITES[table.write]}" if table.day else "- rows are added and never changed"
    yield f"- written by `{writer}`" + (f"; read by {', '.join(f'`{name}`' for name in readers)}" if readers else "")


def _columns(table: Table) -> Iterator[str]:
    yield "| column | type | null | personal | meaning |"
    yield "|---|---|---|---|---|"
    for field in table.schema.fields:
        may_be_null = "yes" if field.nullable else ""
        meaning = field.metadata["comment"].replace("|", "\\|")
        yield f"| `{field.name}` | {field.dataType.simpleString()} | {may_be_null} | {field.metadata['personal']} | {meaning} |"


def _rules(table: Table) -> Iterator[str]:
    """Rules but those that only say that a column holds no null: the columns say that themselves."""
    found = suite.of(table)
    rules = [rule for rule in found.rules if not rule.name.endswith("_missing") or rule.where]
    if rules:
        yield "| rule | demands | else |"
        yield "|---|---|---|"
    for rule in rules:
        where = f", where `{rule.where.column}` is {' or '.join(rule.where.values)}" if rule.where else ""
        yield f"| {rule.name} | {_demand(rule)}{where} | {rule.action} |"
    if found.quarantine_share_max is not None:
        yield ""
        yield f"A day of which more than {found.quarantine_share_max:.0%} is quarantined is refused."


def _demand(rule: Rule) -> str:
    columns = [f"`{name}`" for name in rule.columns]
    of, and_ = ", ".join(columns), " and ".join(columns)
    more = " >= " if rule.kwargs.get("or_equal") else " > "
    words = {
        "expect_column_pair_values_a_to_be_greater_than_b": more.join(columns),
        "expect_column_value_lengths_to_be_between": f"{of} has {_bounds(rule)} characters",
        "expect_column_values_to_be_between": f"{of} is {_bounds(rule)}",
        "expect_column_values_to_be_in_set": f"{of} is one of {', '.join(map(str, rule.kwargs.get('value_set', ())))}",
        "expect_column_values_to_be_unique": f"{of} is unique",
        "expect_column_values_to_match_regex": f"{of} matches `{rule.kwargs.get('regex')}`",
        "expect_column_values_to_not_be_null": f"{of} is there",
        "expect_compound_columns_to_be_unique": f"{and_} together are unique",
        "expect_table_row_count_to_be_between": f"the table has {_bounds(rule)} rows",
    }
    return words[rule.kind].replace("|", "\\|")


def _bounds(rule: Rule) -> str:
    low, high = (rule.kwargs.get(name) for name in ("min_value", "max_value"))
    told = [f"{sign} {bound:g}" for sign, bound in ((">=", low), ("<=", high)) if bound is not None]
    return " and ".join(told)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
