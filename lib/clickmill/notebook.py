"""What a notebook needs to read the lake: its tables, its widgets, a place for its plots. On Databricks and as a plain program alike.

A widget is a string, and empty until somebody fills it. As a program a notebook
takes its widgets from the command line: `notebooks/yesterdays_funnel.py day=2024-05-16 lake=demo/simulated/lake`.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from pyspark.sql import DataFrame, SparkSession

from clickmill import config, querying, session
from clickmill.config import Config
from clickmill.contracts.errors import UsageError
from clickmill.contracts.table import Table
from clickmill.lake import Lake
from clickmill.ledger import Ledger
from clickmill.releases import Release, Releases

PLOTS = Path("notebooks/plots")


@dataclass(frozen=True)
class Notebook:
    """The lake as a notebook sees it.

    dbutils  Databricks' own, None elsewhere;  display: what shows a plot there, None elsewhere
    """

    spark: SparkSession
    conf: Config
    lake: Lake
    ledger: Ledger
    widgets: Mapping[str, str]
    dbutils: Any
    display: Any

    def text(self, name: str) -> str:
        """What stands in a widget, as it was typed: ids keep their zeros. Empty where nothing does."""
        return self.widgets[name].strip()

    def count(self, name: str, default: int) -> int:
        """A whole number from 1; the default where the widget is empty. Anything else ends the notebook with one line."""
        typed = self.text(name)
        if typed and not (re.fullmatch("[0-9]{1,6}", typed) and int(typed) >= 1):
            self.stop(f"{name}: {typed[:20]} is no whole number from 1 to 999999")
        return int(typed) if typed else default

    def day(self, name: str, table: Table) -> date:
        """A day that the table has; the newest one where the widget is empty, and that is said. Anything else ends the notebook."""
        admitted, typed = querying.admitted(self.ledger, table, Releases(self.lake).current), self.text(name)
        if not admitted:
            self.stop(f"{table.name} has no days yet")
        if not typed:
            newest = max(admitted)
            print(f"{name} is empty: the newest day of {table.name} is {newest}")
            return newest
        try:
            chosen = date.fromisoformat(typed)
        except ValueError:
            chosen = date.min
        if typed != str(chosen):
            self.stop(f"{name}: {typed[:20]} is no day; expected YYYY-MM-DD")
        if chosen not in admitted:
            self.stop(f"{name}: {table.name} has no day {chosen}; it has {min(admitted)} to {max(admitted)}")
        return chosen

    def table(self, table: Table, release: Release | None = None) -> DataFrame:
        """Rows of a table: as last admitted; of a published one as it is served, or as it was in a release."""
        served = (release or Releases(self.lake).current) if table.is_served else None
        return querying.read(self.lake, self.ledger, table, served)

    def show(self, figure: Any, name: str) -> None:
        """Show a plot where the notebook shows plots, else write it to a file and say where."""
        if self.display is not None:
            self.display(figure)
            return
        PLOTS.mkdir(parents=True, exist_ok=True)
        figure.savefig(PLOTS / f"{name}.png", dpi=120, bbox_inches="tight")
        print(f"plot: {PLOTS / f'{name}.png'}")

    def tell(self, rows: DataFrame, limit: int = 20) -> None:
        """Print a few rows under their names; a notebook of Databricks may also display() the frame."""
        rows.show(limit, truncate=False)

    def stop(self, line: str) -> NoReturn:
        """End the notebook with one line; the session stays alive."""
        _end(self.dbutils, line)


def opened(given: Mapping[str, Any], widgets: Mapping[str, str]) -> Notebook:
    """Open the lake for a notebook, whose globals are `given`, with its widgets and what each asks for.

    Where a session is there the notebook opens one of its own beside it, in the same Spark: what else runs in the one that was given
    goes on in the zone, and with the settings, that it has, and so does Python: a notebook collects no instant, which Python would
    tell in its own zone. Only a program that has none builds one.
    """
    dbutils = given.get("dbutils")
    labels = {**widgets, "env": "Environment: names conf/<env>.yaml", "lake": "Root of the lake, in place of the config's"}
    if dbutils is not None:
        for name, label in labels.items():
            dbutils.widgets.text(name, "", label)
        typed = {name: str(dbutils.widgets.get(name)) for name in labels}
    else:
        typed = _typed(sys.argv[1:], labels)
    there = given.get("spark") or SparkSession.getActiveSession()
    root = typed["lake"].strip()
    try:
        conf = config.load(typed["env"].strip() or ("databricks" if dbutils is not None else "local"), {"lake.root": root} if root else {})
    except UsageError as error:
        _end(dbutils, str(error))
    spark = there.newSession() if there else session.build("clickmill notebook")
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    lake = Lake(spark, conf.lake.root)
    return Notebook(spark, conf, lake, Ledger(lake), typed, dbutils, given.get("display"))


def _end(dbutils: Any, line: str) -> NoReturn:
    if dbutils is not None:
        dbutils.notebook.exit(line)
    raise SystemExit(line)


def _typed(words: Sequence[str], labels: Mapping[str, str]) -> dict[str, str]:
    found = dict.fromkeys(labels, "")
    for word in words:
        name, is_there, value = word.partition("=")
        if name not in found or not is_there:
            raise SystemExit(f"{word}: expected " + ", ".join(f"{one}=<{label}>" for one, label in labels.items()))
        found[name] = value
    return found
