"""The exact line of every job and environment, and what is refused before one is made.

`make golden` rewrites the files; each holds the line of one job for 2024-11-23 to 2024-12-05.
"""

import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).resolve().parent
ENVIRONMENTS = ("databricks", "k8s", "local", "yarn")
JOBS = sorted(path.stem for path in (TOP / "jobs").glob("*.py"))
DAYS = ("--date", "2024-11-23", "--to", "2024-12-05")


def submit(*words: str) -> subprocess.CompletedProcess[str]:
    """Run spark-submit.sh from another folder, with none of this machine's settings."""
    return subprocess.run(
        [TOP / "spark-submit.sh", *words], cwd="/", env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("env", ENVIRONMENTS)
@pytest.mark.parametrize("job", JOBS)
def test_the_line_of_a_job_is_the_golden_one(job: str, env: str) -> None:
    done = submit(job, "--env", env, *DAYS, "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (GOLDEN / env / f"{job}.txt").read_text(encoding="utf-8")


def test_there_is_no_golden_line_without_its_job_and_environment() -> None:
    assert {path.stem for path in (TOP / "conf" / "spark").glob("*.conf")} == set(ENVIRONMENTS)
    assert {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*.txt")} == {f"{env}/{job}.txt" for env in ENVIRONMENTS for job in JOBS}


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
        ((JOBS[0], "--env", "databricks", *DAYS), "a line for databricks is not run from here"),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_line_with_exit_2(words: tuple[str, ...], told: str) -> None:
    done = submit(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"spark-submit.sh: {told}")
    assert done.stderr.count("\n") == 1
