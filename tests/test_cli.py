"""The command line: one line on error, the exit code of its kind, nothing written by a dry run."""

from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from clickmill import cli, doctor, folders, log, session, terminal
from clickmill.contracts.errors import BadData
from clickmill.job import told


@pytest.fixture(autouse=True)
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was printed, with its colours taken off."""
    lines: list[str] = []
    for console in (terminal.out, terminal.err):
        monkeypatch.setattr(console, "print", lambda text="", **_: lines.append(str(text)))
    return lines


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """No session can be had: who asks for one ends with another exit code."""

    def refused(*_: object) -> None:
        raise AssertionError("a session was asked for")

    monkeypatch.setattr(session, "started", refused)


INGEST = ["run", "ingest_events", "--date", "2024-05-16"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "bake_bread", "--date", "2024-05-16"], "no job is called bake_bread"),
        (["run", "find_bots", "--date", "2024-13-01"], "expected YYYY-MM-DD"),
        (["run", "find_bots", "--date", "2024-05-16", "--to", "2024-05-15"], "is before the first day"),
        (["run", "find_bots", "--date", "2024-05-16", "--env", "moon"], "no environment is called moon"),
        (["run", "find_bots", "--date", "20240516"], "expected YYYY-MM-DD"),
        (["sources", "check", "x.csv", "--source", "moon"], "no source is called moon"),
        ([*INGEST, "--dry-run", "--source", "moon", "--path", "x"], "no source is called moon"),
        ([*INGEST, "--dry-run", "--source", "taobao", "--path", "x/nowhere"], "no such file"),
        ([*INGEST, "--path", "README.md"], "no source is named; there are"),
        ([*INGEST, "--source", "taobao"], "give the landing file, folder or glob with --path"),
        ([*INGEST, "--source", "taobao", "--path", ""], "give the landing file, folder or glob with --path"),
        ([*INGEST, "--source", "items_jsonl", "--path", "README.md"], "items_jsonl is a source of raw.items"),
        (["run", "flow", "--date", "2024-05-16", "--source", "taobao"], "give the landing file, folder or glob with --path"),
        (["sources", "check", "nowhere.csv", "--source", "taobao"], "nowhere.csv: there is no such file"),
        ([*INGEST, "--source", "taobao", "--path", "http://x/y"], "http:// is no store that is known"),
        ([*INGEST, "--source", "taobao", "--path", "s3://"], "s3:// names no bucket"),
        ([*INGEST, "--source", "taobao", "--path", "{a"], "has a { without its }"),
        (["lineage", "clean.events", "--day", "x"], "--day x: "),
        (["release", "accept", "r1", "--because", " "], "--because: expected a reason"),
        (["sources", "check", "", "--source", "taobao"], "expected a file, folder or glob, not an empty name"),
        (["run", "find_bots", "--date", "2024-05-16", "--run-id", ""], "--run-id: expected up to 100 letters"),
        (["rollback", "--to", "'; drop"], "--to: expected up to 100 letters"),
        (["release", "explain", "x y"], "RELEASE: expected up to 100 letters"),
        (["release", "accept", "x y", "--because", "so"], "RELEASE: expected up to 100 letters"),
        (["compare", "x'", "y"], "RUN: expected up to 100 letters"),
        (["sql", "select 1", "--release", ""], "--release: expected up to 100 letters"),
        (["sql", ""], "expected one query, which begins with SELECT"),
        (["sql", "/* select 1 */"], "expected one query"),
        (["sql", "delete from x"], "expected one query"),
        (["sql", "select ';' from x; drop table x"], "expected one query"),
        (["simulate", "--out", "/no/such/deep/[x]"], "--out: the character [ cannot stand"),
        (["simulate", "--out", ""], "--out: expected a folder"),
        (["run", "find_bots", "--date", "2024-05-16", "--env", "../conf/base"], "no environment is called ../conf/base"),
        (["run", "find_bots", "--date", "2024-05-16", "--env", "base"], "no environment is called base"),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_code_2_before_java_is_started(
    shown: list[str], no_java: None, words: list[str], said: str
) -> None:
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 2
    assert len(shown) == 1 and said in shown[0] and "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run find_bots", "Missing option '--date'; --help names the arguments"),
        ("run find_bots --bogus 1", "No such option: --bogus; --help"),
        ("nonsense", "No such command 'nonsense'; --help"),
        ("status --limit 0", "Invalid value for '--limit'"),
        ("show clean.events --limit 99999999999", "Invalid value for '--limit'"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_line_too(shown: list[str], monkeypatch: pytest.MonkeyPatch, words: str, said: str) -> None:
    monkeypatch.setattr("sys.argv", ["clickmill", *words.split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2 and len(shown) == 1 and said in shown[0]


HOSTILE_ROOTS = [
    ("", "not an empty name"),
    ("s3a://", "s3a:// names no bucket"),
    ("s3a:///folder", "names no bucket"),
    ("hdfs:///", "names no folder"),
    ("file://folder", "names no folder"),
    ("dbfs:/folder", "expected dbfs:// and the folder, dbfs:///folder where there is no host"),
    ("nosuch://x/y", "nosuch:// is no store that is known"),
    ("/etc/passwd", "/etc/passwd is a file"),
    ("file:///etc/passwd/lake", "/etc/passwd is a file"),
    *((f"a{one}b", f"the character {one} cannot stand") for one in "[]{}\\*?`"),
    ("a\nb", r"the character '\n' cannot stand"),
    ("a\x7fb", r"the character '\x7f' cannot stand"),
]


@pytest.mark.parametrize(("root", "said"), HOSTILE_ROOTS)
def test_a_root_that_no_lake_can_have_is_told_before_java_is_started(shown: list[str], no_java: None, root: str, said: str) -> None:
    for words in (["status"], ["run", "find_bots", "--date", "2024-05-16"]):
        assert CliRunner().invoke(cli.app, [*words, "--lake", root]).exit_code == 2
    assert len(shown) == 2 and all(line.startswith("error --lake: ") and said in line and "\n" not in line for line in shown)


def test_the_doctor_asks_the_java_that_spark_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    java = tmp_path / "bin" / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"25\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    def told() -> doctor.Finding:
        return next(one for one in doctor.before_spark(str(tmp_path)) if one.question == "Java")

    assert (told().answer, told().is_well) == ('openjdk version "25"', False)
    java.unlink()
    assert "not found at" in told().answer


def test_an_unexpected_error_leaves_its_trace_in_the_log_and_a_value_nowhere(
    shown: list[str], spark: SparkSession, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log.configure(str(tmp_path))

    def fails() -> None:
        spark.range(1).selectExpr("cast(concat(id, '-4711') as int)").collect()

    with pytest.raises(cli.typer.Exit) as ended:
        told(fails)
    assert ended.value.exit_code == 1
    assert "unexpected CAST_INVALID_INPUT" in shown[0] and "4711" not in shown[0]
    trace = Path(shown[0].rsplit(" ", 1)[1]).read_text().split("Traceback")[-1]
    assert "4711" not in "".join(capfd.readouterr())
    assert "The value '…' of the type" in trace and "org.apache.spark" in trace and "0-4711" not in trace


def test_what_spark_logs_of_a_failed_task_holds_no_value(spark: SparkSession) -> None:
    file = Path("logs/spark.log")
    before = file.stat().st_size
    with pytest.raises(PySparkException):
        spark.range(1).selectExpr("cast(concat(id, '-0815') as int)").collect()
    logged = file.read_bytes()[before:].decode()
    assert "CAST_INVALID_INPUT" in logged and "The value '...' of the type" in logged and "0-0815" not in logged


@pytest.mark.parametrize("value", ["-4711", "first\n    second -4711", "it's\n'so' -4711"])
def test_a_row_that_a_constraint_turned_away_is_not_in_the_trace(value: str) -> None:
    constraint = "CHECK constraint price_is_positive (price > 0) violated by row with values:"
    told_by_delta = f"{constraint}\n - price : {value}\n\tat io.delta.Main"
    assert log.without_values(told_by_delta) == told_by_delta.replace(value, "…")


def test_a_value_of_several_lines_is_in_no_log(shown: list[str], spark: SparkSession, tmp_path: Path) -> None:
    log.configure(str(tmp_path))
    file = Path("logs/spark.log")
    before = file.stat().st_size
    rows = spark.createDataFrame([("first 'quoted'\n    second-0816\nthird-0817",)], "told string")
    with pytest.raises(cli.typer.Exit):
        told(lambda: rows.selectExpr("cast(told as int)").collect())
    trace, logged = (tmp_path / "errors.log").read_text(), file.read_bytes()[before:].decode()
    assert "CAST_INVALID_INPUT" in trace and "The value '…' of the type" in trace and "org.apache.spark" in trace
    assert "The value '...' of the type" in logged and "\tat org.apache.spark" in logged
    assert not [part for part in ("quoted", "0816", "0817") if part in trace + logged]


def test_bad_data_ends_with_5(shown: list[str]) -> None:
    def fails() -> None:
        raise BadData("day-1.csv: the column price is missing")

    with pytest.raises(cli.typer.Exit) as ended:
        told(fails)
    assert ended.value.exit_code == 5 and "day-1.csv: the column price is missing" in shown[0]


def test_a_dry_run_says_what_would_be_read_and_replaced_and_writes_nothing(shown: list[str], spark: SparkSession, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    result = CliRunner().invoke(
        cli.app, ["run", "clean_events", "--date", "2024-05-16", "--to", "2024-05-17", "--lake", str(lake), "--env", "test", "--dry-run"]
    )
    assert result.exit_code == 0
    text = "\n".join(shown)
    assert "raw.events" in text and "2024-05-15 to 2024-05-19: 0 days are there" in text
    assert "clean.rejects" in text and "replace 2024-05-16 to 2024-05-17" in text
    assert not lake.exists()


def test_a_new_source_is_written_once_and_its_questions_are_named(
    shown: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "shop-2024-05-16.csv"
    file.write_text("user,item,at,price\na,b,1715853600,5\na,c,1715853601,6\n")
    monkeypatch.setenv("CLICKMILL_SOURCES", str(tmp_path))
    assert CliRunner().invoke(cli.app, ["sources", "new", str(file)]).exit_code == 0
    assert shown[0] == f"wrote {tmp_path / 'shop.yaml'}"
    assert shown[1].startswith("questions: site_id, ")
    assert shown[2] == f"then: clickmill sources check {file} --source shop"
    written = (tmp_path / "shop.yaml").read_text()
    assert cli.config.source("shop").columns["event_at"].unit == "seconds"
    again = ["sources", "new", str(file), "--out", str(tmp_path)]
    assert CliRunner().invoke(cli.app, again).exit_code == 2 and "shop.yaml: is there already" in shown[-1]
    assert (
        CliRunner().invoke(cli.app, [*again, "--name", "My Shop"]).exit_code == 2 and "--name My Shop: expected small letters" in shown[-1]
    )
    assert CliRunner().invoke(cli.app, ["sources", "new", "none.csv"]).exit_code == 2 and "none.csv: there is no such file" in shown[-1]
    assert (tmp_path / "shop.yaml").read_text() == written and len(list(tmp_path.iterdir())) == 2


def test_the_river_is_drawn_as_text_and_as_mermaid(shown: list[str], tmp_path: Path) -> None:
    file = tmp_path / "river.mmd"
    assert CliRunner().invoke(cli.app, ["flow", "--mermaid", str(file)]).exit_code == 0
    assert "clean_events" in shown[0]
    assert 'raw_events["raw.events"] -->|clean_events| clean_events["clean.events"]' in file.read_text()
    assert CliRunner().invoke(cli.app, ["flow", "--mermaid", str(tmp_path / "no" / "river.mmd")]).exit_code == 2
    assert "river.mmd: there is no such folder" in shown[-1]


def test_a_source_that_is_not_finished_yet_stops_no_other(shown: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKMILL_SOURCES", str(tmp_path))
    for name, action in (("eins", "ansehen"), ("zwei", "view")):
        (tmp_path / f"{name}.csv").write_text(f"user,item,action,at\na,b,{action},1715853600\na,c,{action},1715853601\n")
        assert CliRunner().invoke(cli.app, ["sources", "new", str(tmp_path / f"{name}.csv")]).exit_code == 0
    assert CliRunner().invoke(cli.app, ["sources", "list"]).exit_code == 0
    assert shown[-1].startswith("cannot be used yet: eins.yaml: event_types: map: expected at least one literal")
    assert CliRunner().invoke(cli.app, ["sources", "check", "x.csv", "--source", "eins"]).exit_code == 2
    monkeypatch.setenv("CLICKMILL_SOURCES", str(tmp_path / "nowhere"))
    assert CliRunner().invoke(cli.app, ["sources", "list"]).exit_code == 2 and "CLICKMILL_SOURCES names it" in shown[-1]


def test_a_table_that_is_not_there_and_one_without_days_are_told(shown: list[str], spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "lake" / "ops").mkdir(parents=True)
    options = ["--lake", str(tmp_path / "lake"), "--env", "test"]
    assert CliRunner().invoke(cli.app, ["show", "clean.evnts", *options]).exit_code == 2
    assert CliRunner().invoke(cli.app, ["show", "clean.events", *options]).exit_code == 2
    assert "no table is called clean.evnts" in shown[0] and "clean.events has no days yet" in shown[1]


LOOKING = [
    "tables",
    "status",
    "show clean.events",
    "lineage clean.events --day 2024-05-16",
    "vacuum",
    "releases",
    "rollback --to x",
    "release accept x --because so",
    "release explain x",
    "sql",
    "compare x y",
]


@pytest.mark.parametrize("words", LOOKING)
def test_where_there_is_no_lake_that_is_told_before_java_is_started_and_none_is_made(
    shown: list[str], no_java: None, tmp_path: Path, words: str
) -> None:
    for root in (str(tmp_path / "typo"), f"file://{tmp_path}/typo"):
        assert CliRunner().invoke(cli.app, [*words.split(), "--lake", root]).exit_code == 2
        assert shown.pop() == f"error no lake at {root}" and shown == []
    assert not (tmp_path / "typo").exists()


def test_a_lake_of_a_store_is_looked_for_by_hadoop(
    shown: list[str], spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "local", lambda _: None)
    root = f"file://{tmp_path}/lake"
    for code in (2, 0):
        assert CliRunner().invoke(cli.app, ["tables", "--lake", root, "--env", "test"]).exit_code == code
        (tmp_path / "lake" / "ops").mkdir(parents=True, exist_ok=True)
    assert shown[0] == f"error no lake at {root}"


def test_an_error_before_anything_was_configured_is_one_line_too(shown: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_FOLDER", tmp_path / "logs")
    result = CliRunner().invoke(cli.app, ["flow", "--mermaid", str(tmp_path)])
    assert (result.exit_code, len(shown)) == (1, 2) and "unexpected IsADirectoryError" in shown[1]
    assert (tmp_path / "logs" / "errors.log").exists()
