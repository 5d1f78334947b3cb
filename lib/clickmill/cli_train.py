"""The command that trains a click network without Spark: in this process, or in those that horovodrun started."""

import json
import resource
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickmill import config, job, terminal
from clickmill.config import Config
from clickmill.contracts.errors import UsageError
from clickmill.models import manifest

if TYPE_CHECKING:
    from clickmill.models.ctr.training import Outcome, Task

_MB = 1e6


def add_to(app: typer.Typer) -> None:
    app.command()(train)


@job.command
def train(
    export: Annotated[Path, typer.Argument(help="Folder of an export, as models.exports names it below the lake.")],
    network: Annotated[str, typer.Option(help="Network to train: logistic_regression, wide_deep, deepfm or dcn_v2.")],
    plan: Annotated[bool, typer.Option("--plan", help="Say what memory a rank will take, and train nothing.")] = False,
    env: job.EnvOption = "local",
    source: job.SourceOption = None,
) -> None:
    """Train a click network over an export, or go on where a training was stopped; under horovodrun as one of several ranks."""
    conf = config.load(env, job.overrides(source, None, None))
    task = _task(conf, export.resolve(), _manifest_text(export), network)
    if plan:
        _show_plan(replace(task, ranks=conf.export.ranks))
    else:
        _run(task)


def _run(task: "Task") -> None:
    from clickmill.models.ctr.training import train as trained
    from clickmill.models.ranks import launched

    outcome = trained(task)
    if launched()[0] == 0:
        _show(task, outcome)


def _manifest_text(export: Path) -> str:
    try:
        return (export / manifest.NAME).read_text(encoding="utf-8")
    except OSError:
        raise UsageError(f"{export}: expected the folder of an export, with its {manifest.NAME}") from None


def _task(conf: Config, export: Path, text: str, network: str) -> "Task":
    try:
        from clickmill.models.ctr.networks import NETWORKS
        from clickmill.models.ctr.training import Task, params_of
        from clickmill.models.ranks import launched
    except ImportError as error:
        raise UsageError(f"training needs what the extra `train` installs: {error}") from None
    if network not in NETWORKS:
        raise UsageError(f"--network {network}: expected {', '.join(NETWORKS)}")
    params = params_of(network, conf.networks.model_dump(), seed=manifest.parsed(text).seed)
    return Task(export.as_uri(), text, export.parents[2].as_uri(), launched()[1], params)


def _show_plan(task: "Task") -> None:
    from clickmill.models.ctr.memory import planned

    memory, params = planned(task), task.params
    program = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    values = sum(manifest.parsed(task.manifest).vocabularies.values())
    table = terminal.grid("held at once", "MB", "what", right=("MB",))
    for what, size, why in (
        ("parameters", memory.parameters, f"{values:,} values, and layers"),
        ("optimiser", memory.optimiser, "what it remembers of them"),
        ("a step", memory.step, f"{params.batch_rows:,} rows: activations, gradients, and those of the other ranks"),
        ("feed", memory.feed, "groups of rows that are read and mixed"),
        ("checkpoint", memory.checkpoint, "read back at the end, when there is neither step nor feed"),
        ("at most at once", memory.peak, "parameters, optimiser, and either step and feed or checkpoint"),
    ):
        table.add_row(what, f"{size / _MB:,.1f}", why)
    terminal.out.print(f"{params.network} over {task.export_url.rsplit('/', 1)[1]}, each of {task.ranks} ranks:")
    terminal.out.print(table)
    terminal.out.print(f"On a GPU lie parameters, optimiser and step: {memory.on_device / _MB:,.1f} MB; the rest is on its machine.")
    terminal.out.print(f"The program itself takes {program / _MB:,.0f} MB. Without a GPU a heap may keep as much again as a step.")


def _show(task: "Task", outcome: "Outcome") -> None:
    progress = outcome.progress
    rate = sum(progress.rank_rows) / max(progress.train_s, 1e-9)
    for epoch, loss in enumerate(progress.epoch_losses):
        best = ", the best: it is kept" if epoch == progress.best_epoch else ""
        terminal.out.print(f"epoch {epoch}: log loss {loss:.5f} of the rows that choose{best}")
    rows = " + ".join(f"{one:,}" for one in progress.rank_rows)
    terminal.out.print(f"{progress.step_count:,} steps, {rows} rows by rank, {rate:,.0f} rows/s, {progress.sent_bytes / _MB:,.1f} MB sent")
    terminal.out.print(f"in {task.path} of the lake; parameters {json.dumps(vars(task.params))}")
