"""The exact line of every job and environment, and of two commands of clickmill; and what is refused before one is made.

`make golden` rewrites the files; each holds the line of one job, or of one command, for 2024-11-23 to 2024-12-05.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from clickmill import cli
from clickmill.contracts.tables import RAW_EVENTS
from clickmill.lake import Lake

TOP = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).resolve().parent
ENVIRONMENTS = ("databricks", "k8s", "local", "yarn")
GPU = ("databricks", "k8s", "yarn")
JOBS = sorted(path.stem for path in (TOP / "jobs").glob("*.py"))
DAYS = ("--date", "2024-11-23", "--to", "2024-12-05")
COMMANDS = {"clickmill_run_flow": ("run", "flow", *DAYS), "clickmill_vacuum": ("vacuum",)}
BARE = {"PATH": "/usr/bin:/bin"}


def submit(*words: str, env: Mapping[str, str] = BARE) -> subprocess.CompletedProcess[str]:
    """Run spark-submit.sh from another folder; a line that is only printed needs none of this machine's settings."""
    return subprocess.run([TOP / "spark-submit.sh", *words], cwd="/", env=dict(env), capture_output=True, text=True, check=False)


def leaves(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of a command line, with the words that name it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, *path, name)
        else:
            yield (*path, name), command


@pytest.mark.parametrize("env", ENVIRONMENTS)
@pytest.mark.parametrize("job", JOBS)
def test_the_line_of_a_job_is_the_golden_one(job: str, env: str) -> None:
    done = submit(job, "--env", env, *DAYS, "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (GOLDEN / env / f"{job}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("env", ENVIRONMENTS)
@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_is_the_golden_one(name: str, env: str) -> None:
    done = submit("clickmill", "--env", env, "--dry-run", "--", *COMMANDS[name])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (GOLDEN / env / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("env", GPU)
def test_the_line_of_a_training_on_gpus_is_the_golden_one(env: str) -> None:
    done = submit("train_ctr_models", "--env", env, *DAYS, "--gpu", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (GOLDEN / env / "train_ctr_models_gpu.txt").read_text(encoding="utf-8")
    assert " --conf spark.task.resource.gpu.amount=1 " in done.stdout


def test_the_gpus_of_a_machine_are_told_as_spark_asks_for_them(tmp_path: Path) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    smi.chmod(0o755)
    script = TOP / "conf" / "spark" / "gpu" / "gpu_addresses.sh"
    told = subprocess.run([script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == {"name": "gpu", "addresses": ["0", "1"]}


def test_there_is_no_golden_line_without_its_job_and_environment() -> None:
    assert {path.stem for path in (TOP / "conf" / "spark").glob("*.conf")} == set(ENVIRONMENTS)
    expected = {f"{env}/{name}.txt" for env in ENVIRONMENTS for name in [*JOBS, *COMMANDS]}
    expected |= {f"{env}/train_ctr_models_gpu.txt" for env in GPU}
    assert {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*.txt")} == expected


def test_a_command_is_given_the_environment_unless_it_needs_no_cluster() -> None:
    """Every command that starts a session is told which lake is meant; the others would fail on YARN, which waits for a session."""
    for path, command in leaves(get_command(cli.app)):
        words = " ".join(path)
        done = submit("clickmill", "--env", "k8s", "--dry-run", "--", *path)
        if path not in (("doctor",), ("train",)) and "env" in {parameter.name for parameter in command.params}:
            assert done.stdout.endswith(f" tools/clickmill_cli.py {words} --env k8s\n")
        else:
            refused = f"spark-submit.sh: no cluster is needed for clickmill {words}: run it by itself\n"
            assert (done.returncode, done.stderr) == (2, refused)


def test_words_behind_the_dashes_are_the_job_s_or_the_command_s_own() -> None:
    done = submit("clickmill", "--env", "yarn", "--dry-run", "--", "rollback", "--to", "r-1", "--lake", "my lake")
    assert done.stdout.endswith(" tools/clickmill_cli.py rollback --to r-1 --lake my\\ lake --env yarn\n")
    done = submit(JOBS[0], "--env", "yarn", "--date", "2024-02-29", "--dry-run", "--", "--dry-run")
    assert done.stdout.endswith(f" jobs/{JOBS[0]}.py --env yarn --date 2024-02-29 --dry-run\n")


def test_options_of_the_job_come_last_and_are_quoted_for_the_shell() -> None:
    done = submit(JOBS[0], "--path", "my files/*.gz", "--env", "yarn", "--date", "2024-02-29", "--dry-run")
    assert done.stdout.endswith(f" jobs/{JOBS[0]}.py --env yarn --date 2024-02-29 --path my\\ files/\\*.gz\n")


def test_a_day_may_be_the_last_of_february_in_a_leap_year_only() -> None:
    assert submit(JOBS[0], "--env", "local", "--date", "2000-02-29", "--dry-run").returncode == 0
    assert submit(JOBS[0], "--env", "local", "--date", "1900-02-29", "--dry-run").returncode == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "no job is named"),
        (("weave_cloth",), "no job is called weave_cloth"),
        (("../jobs/clean_events",), "a job and an environment are names, not paths"),
        ((JOBS[0], *DAYS), "--env is missing"),
        ((JOBS[0], "--env", "mars", *DAYS), "no environment is called mars; there are: databricks k8s local yarn"),
        ((JOBS[0], "--env", "local"), "--date is missing"),
        ((JOBS[0], "--env", "local", "--date"), "--date needs a value"),
        ((JOBS[0], "--env", "local", "--date", "2024-13-01"), "--date 2024-13-01 is no day"),
        ((JOBS[0], "--env", "local", "--date", "2023-02-29"), "--date 2023-02-29 is no day"),
        ((JOBS[0], "--env", "local", "--date", "23.11.2024"), "--date 23.11.2024 is no day"),
        ((JOBS[0], "--env", "local", "--date", "2024-11-23", "--to", "2024-11-31"), "--to 2024-11-31 is no day"),
        ((JOBS[0], "--env", "local", "--date", "2024-11-23", "--to", "2024-11-22"), "--to 2024-11-22 is before --date 2024-11-23"),
        ((JOBS[0], "--env", "local", *DAYS, "--gpu"), "--gpu: no GPUs are known in local; they are in databricks k8s yarn"),
        (("clickmill", "--env", "yarn"), "what clickmill is to do stands behind --"),
        (("clickmill", "--env", "yarn", "run", "flow", *DAYS), "what clickmill is to do stands behind --"),
        (("clickmill", "--env", "yarn", *DAYS, "--", "run", "flow"), "what clickmill is to do stands behind --"),
        (("clickmill", "--", "tables"), "--env is missing"),
        (("clickmill", "--env", "yarn", "--", "tables", "--env", "local"), "--env stands before --"),
        (("clickmill", "--env", "yarn", "--", "tables", "--env=local"), "--env stands before --"),
        ((JOBS[0], "--env", "databricks", *DAYS), "a line for databricks is not run from here"),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_line_with_exit_2(words: tuple[str, ...], told: str) -> None:
    done = submit(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"spark-submit.sh: {told}")
    assert done.stderr.count("\n") == 1


def test_a_job_that_is_submitted_does_its_work_and_its_exit_code_comes_through(lake: Lake, tmp_path: Path) -> None:
    event = '{"event_id":"e1","site_id":"shop","event_type":"item_view","event_at":"2024-11-23T10:00:00Z","visitor_id":"v1","item_id":"i1"}'
    landed = tmp_path / "events-2024-11-23.jsonl"
    landed.write_text(event + "\n")
    words = ("ingest_events", "--env", "local", "--date", "2024-11-23", "--source", "events_jsonl", "--lake", lake.root, "--path")
    done = submit(*words, str(landed), env=os.environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert [row.item_id for row in lake.read(RAW_EVENTS).collect()] == ["i1"]
    done = submit(*words, str(tmp_path / "none.jsonl"), env=os.environ)
    assert done.returncode == 2
    assert "none.jsonl: there is no such file" in done.stdout + done.stderr
