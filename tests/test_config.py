"""The config: merged once, validated, and wrong keys told with their full path."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clickmill import config
from clickmill.config import Config
from clickmill.contracts import resources
from clickmill.contracts.errors import UsageError


def test_the_command_line_wins_over_the_environment_which_wins_over_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    there, far = resources.text, "sessions:\n  gap_s: 600\nclean:\n  dwell_cap_s: 60\n"
    monkeypatch.setattr(config.resources, "text", lambda path: far if path == "conf/far.yaml" else there(path))
    loaded = config.load("far", {"sessions.gap_s": 900})
    assert (loaded.sessions.gap_s, loaded.clean.dwell_cap_s, loaded.clean.lateness_days) == (900, 60, 2)


@pytest.mark.parametrize(
    ("differences", "told"),
    [
        ("sessions:\n  gap: 1\n", r"conf/far.yaml: sessions.gap: conf/base.yaml has no such key"),
        ("sessions:\n  gap_s: long\n", r"conf \(far\): sessions.gap_s: Input should be a valid integer"),
        ("shop:\n  zone: Mars/Base\n", r"shop.zone: .*Mars/Base is no time zone"),
        ("sessions: [\n", r"conf/far.yaml: line \d+ is no YAML"),
        ("clean:\n  copy_horizon_s: 90000\n", r"clean.copy_horizon_s: Input should be less than or equal to 82800"),
    ],
)
def test_a_wrong_key_or_value_is_told_with_its_path(monkeypatch: pytest.MonkeyPatch, differences: str, told: str) -> None:
    there = resources.text
    monkeypatch.setattr(config.resources, "text", lambda path: differences if path == "conf/far.yaml" else there(path))
    with pytest.raises(UsageError, match=told):
        config.load("far")


def test_an_unknown_environment_and_an_unknown_source_name_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no environment is called moon; there are .*local"):
        config.load("moon")
    with pytest.raises(UsageError, match=r"no source is called moon; there are .*taobao"):
        config.source("moon")


@pytest.mark.parametrize(
    "root",
    ["a b", "a'b", "a%20b", "a#b", "a,b", "äöü", "/no/such/folder", "hdfs:///lake", "s3a://bucket", "abfss://c@a.net/x", "file:///x"],
)
def test_a_lake_may_be_called_what_a_folder_may(root: str) -> None:
    assert config.load("test", {"lake.root": root}).lake.root == root


def test_a_root_that_no_lake_can_have_is_told_with_its_key() -> None:
    with pytest.raises(UsageError, match=r"conf \(test\): lake.root: .*the character \{ cannot stand"):
        config.load("test", {"lake.root": "a{b}"})


def test_the_hash_of_a_section_moves_with_its_values_alone() -> None:
    base, other = config.load("test"), config.load("test", {"sessions.gap_s": 60})
    assert base.hash_of("clean", "shop") == other.hash_of("shop", "clean")
    assert base.hash_of("sessions") != other.hash_of("sessions")


SETTINGS = """
name: tea
site_id: {constant: tea}
read: {format: csv}
landing_date: {history: event_day}
columns: {event_at: at}
event_types: {constant: click}
ids: {key: [at]}
settings:
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Config]:
    """The config of the command line that names a source with these settings."""

    def loaded(text: str) -> Config:
        (tmp_path / "tea.yaml").write_text(f"{SETTINGS}  {text}\n")
        monkeypatch.setenv("CLICKMILL_SOURCES", str(tmp_path))
        return config.load("test", {"landing.source": "tea", "sessions.gap_s": 900})

    return loaded


def test_settings_of_the_source_that_is_named_win_over_the_environment_and_not_over_the_command_line(settings) -> None:
    loaded = settings("{sessions: {gap_s: 600}, outcomes: {shown: click, answer: purchase}}")
    assert (loaded.outcomes.shown, loaded.outcomes.answer, loaded.outcomes.answer_window_s) == ("click", "purchase", 1800)
    assert loaded.sessions.gap_s == 900
    assert config.load("test").outcomes.shown == "impression", "whoever names no source has none of them"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{outcomes: {shows: click}}", "tea.yaml: settings.outcomes.shows: conf/base.yaml has no such key"),
        ("{outcomes: {shown: clicks}}", r"conf \(test, tea.yaml\): outcomes.shown: Input should be 'page_view'"),
        ("{lake: {root: elsewhere}}", "tea.yaml: settings.lake: belongs to where and how a run works; expected in conf/<env>.yaml"),
    ],
)
def test_a_wrong_setting_names_the_source(settings, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        settings(text)


def test_the_settings_of_every_source_that_is_shipped_hold() -> None:
    for name in config.source_names():
        assert config.load("test", {"landing.source": name}).landing.source == name
    assert config.load("test", {"landing.source": "expedia"}).export.test_days == 92
