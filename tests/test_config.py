"""The config: merged once, validated, and wrong keys told with their full path."""

import pytest

from clickmill import config
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
