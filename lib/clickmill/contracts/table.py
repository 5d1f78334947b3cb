"""What a table is: its name, key, day column and schema, and how a job says what it reads of it."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from pyspark.sql.types import StructType

from clickmill.contracts import resources

Span = int | str
"""A number of days, or the config key that holds it (such as `clean.lateness_days`)."""


@dataclass(frozen=True)
class Table:
    """The contract of one table.

    name   `<layer>.<plural noun of one row>`
    key    columns that name one row
    day    the column by which days are replaced and admitted; None where a table is not kept by days
    write  days: a run replaces its days; last_day: a run replaces its last day only;
           append: a run adds rows that are not there yet and never touches others
    of     the table whose schema and suite it has; its own where that is empty
    belongs  of a table of landing days: the column that says to which day a row belongs; a day is made again for its own rows only
    """

    name: str
    key: tuple[str, ...]
    day: str | None = "event_date"
    write: Literal["days", "last_day", "append"] = "days"
    of: str = ""
    belongs: str = ""

    @property
    def layer(self) -> str:
        return self.name.split(".")[0]

    @property
    def is_served(self) -> bool:
        """True where people and warehouses read it: its newest version is always one that was released."""
        return self.layer == "publish"

    def staging(self) -> "Table":
        """The table in which rows of a served one wait for their audit."""
        return replace(self, name=f"staged.{self.name.split('.')[1]}", of=self.name)

    @property
    def schema_path(self) -> str:
        return f"schemas/{(self.of or self.name).replace('.', '/')}.json"

    @property
    def suite_path(self) -> str:
        return f"expectations/{(self.of or self.name).replace('.', '/')}.json"

    @cached_property
    def schema(self) -> StructType:
        """Columns in order, with comments and the class of personal data as metadata."""
        return StructType.fromJson(json.loads(resources.text(self.schema_path)))

    @cached_property
    def comment(self) -> str:
        """What one row is."""
        return str(json.loads(resources.text(self.schema_path))["comment"])

    @property
    def columns(self) -> list[str]:
        return self.schema.fieldNames()

    def personal_columns(self) -> list[str]:
        """Columns that hold direct or linked personal data: reports show no values of them."""
        return [field.name for field in self.schema.fields if field.metadata["personal"] != "none"]

    def same_days(self, *, optional: bool = False) -> "Read":
        """The days of the run. A day that is not there stops the run, or holds no rows where the table is optional."""
        return Read(self, optional=optional)

    def days_back(self, days: Span) -> "Read":
        """The `days` days before each day of the run, and not that day itself."""
        return Read(self, back=days, kind="earlier")

    def landed(self, lateness_days: Span) -> "Read":
        """Landing days from the day before the run to `lateness_days` after it."""
        return Read(self, back=1, ahead=lateness_days, kind="landed")

    def recent(self, days: Span) -> "Read":
        """Each day of the run, which must be there, and the `days` days before it."""
        return Read(self, back=days, kind="around")

    def around(self, back: Span, ahead: Span) -> "Read":
        """Each day of the run, which must be there, the `back` days before it, and the `ahead` days after it that are there."""
        return Read(self, back=back, ahead=ahead, kind="around")

    def window(self, days: Span) -> "Read":
        """The `days` days that end with the last day of the run. Where that one is not there the run stops."""
        return Read(self, back=days, kind="window")

    def up_to(self) -> "Read":
        """All days up to the last day of the run."""
        return Read(self, kind="history")

    def before(self) -> "Read":
        """All days before the first day of the run: what a history that the run goes on with says so far."""
        return Read(self, kind="before")

    def whole(self) -> "Read":
        """All days there are, later ones too: of a table that only grows, and whose rows never change. It makes nothing stale."""
        return Read(self, kind="whole")


@dataclass(frozen=True)
class Read:
    """Which days of a table a job reads, relative to the days of its run.

    same     the days of the run
    earlier  from `back` days before the first day to the day before the last
    landed   from one day before the first day to `ahead` days after the last
    around   from `back` days before the first day to `ahead` days after the last
    window   the `back` days that end with the last day of the run
    history  every day up to the last day of the run
    before   every day before the first day of the run
    whole    every day there is
    """

    table: Table
    back: Span = 0
    ahead: Span = 0
    kind: Literal["same", "earlier", "landed", "around", "window", "history", "before", "whole"] = "same"
    optional: bool = False
