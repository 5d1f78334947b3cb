"""The commands `clickmill sources`: which there are, what one makes of a file, and a first one for a file nobody knows."""

from pathlib import Path
from typing import Annotated

import typer

from clickmill import config, job, log, session, terminal
from clickmill.contracts.errors import UsageError
from clickmill.contracts.properties import set_for
from clickmill.ingest import check, guess_text, ingest

app = typer.Typer(help="The sources of conf/sources, and files tried against them.", no_args_is_help=True)


@app.command("list")
@job.command
def list_sources() -> None:
    """Name every source, with what it brings and how it is read, or what is wrong with its file."""
    grid = terminal.grid("source", "brings", "format", "site")
    wrong = []
    for name, one in config.sources():
        if isinstance(one, UsageError):
            wrong.append(f"cannot be used yet: {one}")
        else:
            grid.add_row(name, one.table, one.read.format, str(one.site_id.constant or one.site_id.value))
    terminal.out.print(grid)
    for told in wrong:
        terminal.out.print(told)


@app.command("check")
@job.command
def check_source(
    file: Annotated[str, typer.Argument(metavar="FILE")],
    name: Annotated[str, typer.Option("--source", help="Source to try the file against.")],
    env: job.EnvOption = "local",
) -> None:
    """Read a sample of FILE and say what maps, what does not and why; nothing is written."""
    one = config.source(name)
    conf = config.load(env, job.overrides(name, None, None))
    log.configure(conf.run.log_folder)
    job.must_be_there(file, env)
    with terminal.progress(), session.started("clickmill sources check") as spark, set_for(spark, ingest.SPARK_CONF):
        report = check.check(spark, one, file, zone=conf.shop.zone)
    for line in report.lines():
        terminal.out.print(line)


@app.command("new")
@job.command
def new_source(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    name: Annotated[str | None, typer.Option(help="Name of the source; that of the file where it is left out.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default is CLICKMILL_SOURCES, else conf/sources.")] = None,
) -> None:
    """Look at FILE and write a first YAML: what could be guessed, and the rest as questions. Nothing is overwritten."""
    chosen = name or guess_text.name_of(file)
    folder = out or config.own_sources() or Path("conf/sources")
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; give one with --out, or name one in CLICKMILL_SOURCES")
    target = folder / f"{chosen}.yaml"
    if target.exists():
        raise UsageError(f"{target}: is there already, and is left as it is; give another --name")
    known = {known: one for known, one in config.sources() if not isinstance(one, UsageError)}
    made = guess_text.draft(file, chosen, known)
    with target.open("x", encoding="utf-8") as written:
        written.write(made.text)
    terminal.out.print(f"wrote {target}")
    terminal.out.print(f"questions: {', '.join(made.questions)}" if made.questions else "no questions")
    if made.problem:
        terminal.out.print(f"cannot be used yet: {made.problem}")
    terminal.out.print(f"then: clickmill sources check {file} --source {chosen}")
