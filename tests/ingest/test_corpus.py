"""Dirty input of whole kinds, through ingestion and cleaning: accepted, or turned away with reason and place; the counts add up."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession

from clickmill import config, execution, river
from clickmill.contracts.days import Days
from clickmill.contracts.errors import BadData
from clickmill.contracts.tables import EVENTS, RAW_EVENTS, REJECTS
from clickmill.ingest import check
from clickmill.ingest.source import parse
from clickmill.lake import Lake
from ingest import corpus
from ingest.corpus import Line
from ingest.shop import yaml

DAY = Days(date(2024, 5, 16), date(2024, 5, 16))
FILES = {
    "events_jsonl": (f"{corpus.DAY}.jsonl", corpus.json_file(), corpus.json_lines()),
    "corpus": (f"{corpus.DAY}.csv", corpus.csv_file(), corpus.csv_lines()),
}


@dataclass
class Cleaned:
    """What became of the corpus: rows as they came by their place, clean rows by visitor, rejects by their place, counts of the jobs."""

    raw: dict[str, list[Row]]
    clean: dict[tuple[str, str], Row]
    rejects: dict[tuple[str, int], Row]
    ingested: dict[str, dict[str, int]]
    cleaned: dict[str, int]


@pytest.fixture(scope="module")
def became(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Cleaned:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "corpus.yaml").write_text(corpus.CSV_SOURCE)
    ingested, changes = {}, {"lake.root": str(folder / "lake")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLICKMILL_SOURCES", str(folder))
        for source, (name, content, _) in FILES.items():
            (folder / source).mkdir()
            (folder / source / name).write_bytes(content)
            conf = config.load("test", {**changes, "landing.source": source, "landing.path": str(folder / source)})
            ingested[source] = execution.execute(river.job("ingest_events"), conf, DAY, spark).counts
    conf = config.load("test", changes)
    execution.execute(river.job("find_bots"), conf, DAY, spark)
    cleaned = execution.execute(river.job("clean_events"), conf, DAY, spark).counts
    lake = Lake(spark, str(folder / "lake"))
    raw = lake.read(RAW_EVENTS).orderBy("source", "block", "ordinal").collect()
    return Cleaned(
        {source: [row for row in raw if row.source == source] for source in FILES},
        {(row.source, row.visitor_id): row for row in lake.read(EVENTS).collect()},
        {(row.source, row.ordinal): row for row in lake.read(REJECTS).collect()},
        ingested,
        cleaned,
    )


KINDS = [
    pytest.param(source, place, one, id=f"{source}: {one.kind}") for source, told in FILES.items() for place, one in enumerate(told[2])
]


@pytest.mark.parametrize(("source", "place", "one"), KINDS)
def test_a_kind_of_line_is_accepted_as_it_was_written_or_turned_away_with_its_reason_and_place(
    became: Cleaned, source: str, place: int, one: Line
) -> None:
    row = became.raw[source][place]
    clean, reject = became.clean.get((source, one.kind)), became.rejects.get((source, row.ordinal))
    if one.reason is None:
        assert reject is None and clean is not None
        assert {name: str(clean[name]) for name, _ in one.seen} == dict(one.seen)
    else:
        assert clean is None and reject is not None
        assert (", ".join(reject.reasons), reject.kind, reject.file) == (one.reason, "reject", FILES[source][0])


def test_every_line_of_the_corpus_is_counted_once(became: Cleaned) -> None:
    for source, (_, _, lines) in FILES.items():
        told = became.ingested[source]
        assert len(became.raw[source]) == told["records"] == told["mapped"] + told["rejected"] == len(lines)
    total = sum(len(lines) for _, _, lines in FILES.values())
    rejected = sum(one.reason is not None for _, _, lines in FILES.values() for one in lines)
    assert (became.cleaned["rows"], became.cleaned["rejects"], became.cleaned["copies"]) == (total, rejected, 0)


@pytest.mark.parametrize("name", corpus.refused())
def test_a_kind_of_file_that_cannot_be_read_is_refused_by_its_name_in_one_line(run, land, name: str) -> None:
    content, told = corpus.refused()[name]
    with pytest.raises(BadData) as refusal:
        run(corpus.CSV_SOURCE, land({name: content, f"{corpus.DAY}-good.csv": f"{corpus.CSV_HEADER}\n"}), first=DAY.first, name="corpus")
    assert name in str(refusal.value) and told in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", corpus.accepted())
def test_a_kind_of_file_that_only_looks_odd_is_read(run, land, name: str) -> None:
    content, records = corpus.accepted()[name]
    got = run(corpus.CSV_SOURCE, land({name: content}), first=DAY.first, name="corpus")
    assert got.counts["mapped"] == records


def source_of(name: str) -> tuple[str, str]:
    """The source that reads a file of lines without a header, and its name."""
    sources = {"log": (corpus.LOG_SOURCE, "log"), "txt": (corpus.headless_source(), "corpus")}
    return sources.get(name.rsplit(".", 1)[-1], (yaml("events_jsonl"), "events_jsonl"))


@pytest.mark.parametrize("name", corpus.refused_lines())
def test_a_file_of_lines_that_would_pass_for_a_dirty_record_is_refused_by_its_name_in_one_line(run, land, name: str) -> None:
    (content, told), (text, source) = corpus.refused_lines()[name], source_of(name)
    with pytest.raises(BadData) as refusal:
        run(text, land({name: content}), first=DAY.first, name=source)
    assert name in str(refusal.value) and told in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", corpus.accepted_lines())
def test_a_file_of_lines_that_only_looks_odd_is_read(run, land, name: str) -> None:
    (content, mapped), (text, source) = corpus.accepted_lines()[name], source_of(name)
    assert run(text, land({name: content}), first=DAY.first, name=source).counts["mapped"] == mapped


def test_a_look_at_a_source_refuses_the_file_that_a_run_would_refuse(spark: SparkSession, land) -> None:
    name = f"{corpus.DAY}-bare-returns.log"
    folder = land({name: corpus.refused_lines()[name][0]})
    with pytest.raises(BadData, match=f"{name}: has lines that end in a carriage return alone"):
        check.check(spark, parse(corpus.LOG_SOURCE, "log.yaml"), folder, zone="UTC")


def test_a_parquet_file_is_read_and_one_that_was_cut_is_refused(run, land) -> None:
    source = corpus.CSV_SOURCE.replace("{format: csv, multi_line: true}", "{format: parquet}")
    whole = corpus.parquet_file()
    got = run(source, land({f"{corpus.DAY}.parquet": whole}), first=DAY.first, name="corpus")
    assert got.problems() == [[], ["bad_price"]]
    with pytest.raises(BadData, match=f"{corpus.DAY}-cut.parquet"):
        run(source, land({f"{corpus.DAY}-cut.parquet": whole[: len(whole) // 2]}), first=DAY.first, name="corpus")


def test_the_corpus_can_be_written_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import runpy

    monkeypatch.setattr("sys.argv", ["corpus.py", str(tmp_path / "files")])
    runpy.run_path(str(Path(corpus.__file__)), run_name="__main__")
    written = corpus.refused() | corpus.refused_lines() | corpus.accepted() | corpus.accepted_lines()
    assert len(list((tmp_path / "files").iterdir())) == 3 + len(written)
