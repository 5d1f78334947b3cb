"""The only reader of conf/ and of the environment: one merged, validated, frozen config.

`conf/base.yaml` holds every key, `conf/<env>.yaml` what differs, the command
line what changes per run. Functions receive values, never the config.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from clickmill.contracts import resources
from clickmill.contracts.errors import UsageError
from clickmill.ingest.source import Source, parse
from clickmill.sections import Sections

OF_THE_PLACE = ("lake", "landing", "releases", "run")
"""Sections that say where and how a run works, not what comes out."""


class Config(Sections):
    """The whole config; `conf/base.yaml` says what each key means."""

    def source(self) -> Source:
        """The source that the run reads.

        Raises  UsageError when none is named, none is called so, or its file is wrong
        """
        return source(self.landing.source)


def load(env: str, overrides: Mapping[str, Any] | None = None) -> Config:
    """Merge base.yaml, <env>.yaml, the settings of the source that is named and the command line's `overrides` (dotted keys).

    All is validated once.

    Raises  UsageError that names the file or option, the key's full path and what was expected
    """
    merged = _yaml("conf/base.yaml")
    missing = f"no environment is called {env}; there are {', '.join(environments())}"
    if env == "base" or not re.fullmatch(r"[A-Za-z0-9_-]+", env):  # a name, never a path that leads to another file
        raise UsageError(missing)
    differences = _yaml(f"conf/{env}.yaml", missing=missing)
    _merge(merged, differences, f"conf/{env}.yaml")
    name = (overrides or {}).get("landing.source", merged["landing"]["source"])
    if name is not None:
        _merge(merged, _settings(name), f"{name}.yaml", "settings.")
    root = os.environ.get("CLICKMILL_LAKE")
    if root:
        merged["lake"]["root"] = root
    for key, value in (overrides or {}).items():
        *parents, last = key.split(".")
        target = merged
        for part in parents:
            target = target[part]
        target[last] = value
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"conf ({env}{f', {name}.yaml' if name else ''}): {key}: {first['msg']}") from None


def _settings(name: str) -> dict[str, dict[str, Any]]:
    """What the source called `name` sets; it knows its data, and not the place where these are worked on."""
    found = source(name).settings
    wrong = sorted(found.keys() & OF_THE_PLACE)
    if wrong:
        raise UsageError(f"{name}.yaml: settings.{wrong[0]}: belongs to where and how a run works; expected in conf/<env>.yaml")
    return found


def environments() -> list[str]:
    names = (entry.name for entry in resources.folder("conf").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml") and name != "base.yaml")


def source_names() -> list[str]:
    """Names of the sources, in order: those of CLICKMILL_SOURCES, a folder of the shop's own, beside those of conf/sources.

    Raises  UsageError when CLICKMILL_SOURCES names no folder
    """
    names = {entry.name for entry in resources.folder("conf").joinpath("sources").iterdir()}
    own = own_sources()
    if own is not None:
        names |= {entry.name for entry in own.iterdir()}
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def own_sources() -> Path | None:
    folder = os.environ.get("CLICKMILL_SOURCES")
    if folder and not Path(folder).is_dir():
        raise UsageError(f"{folder}: there is no such folder; CLICKMILL_SOURCES names it")
    return Path(folder) if folder else None


def source_text(name: str | None) -> tuple[str, str]:
    """Text and file name of the source called `name`; a source of the shop's own wins over one of conf/sources.

    Raises  UsageError when none is named, or none is called so
    """
    if name is None or name not in source_names():
        raise UsageError(
            f"{'no source is named' if name is None else f'no source is called {name}'}; there are {', '.join(source_names())}"
        )
    own = own_sources()
    if own is not None and (own / f"{name}.yaml").is_file():
        try:
            return (own / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml"
        except UnicodeDecodeError:
            raise UsageError(f"{name}.yaml: is no text in UTF-8; save it as that") from None
    return resources.text(f"conf/sources/{name}.yaml"), f"conf/sources/{name}.yaml"


def source(name: str | None) -> Source:
    """The source called `name`, parsed; see source_text."""
    return parse(*source_text(name))


def sources() -> Iterator[tuple[str, Source | UsageError]]:
    """Every source by its name, in order; where its file is wrong, or not finished yet, what is wrong with it."""
    for name in source_names():
        try:
            yield name, source(name)
        except UsageError as error:
            yield name, error


def spark_properties(env: str) -> dict[str, str]:
    """The properties of conf/spark/<env>.conf, which spark-submit.sh passes on a cluster."""
    lines = (line.strip() for line in resources.text(f"conf/spark/{env}.conf").splitlines())
    pairs = (line.split(None, 1) for line in lines if line and not line.startswith("#"))
    return {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}


def cache_folder() -> Path:
    """The folder of downloaded and built things: CLICKMILL_CACHE, else .cache in the checkout, whatever the working folder."""
    return Path(os.environ.get("CLICKMILL_CACHE") or (resources.checkout() or Path()) / ".cache").resolve()


def _yaml(path: str, missing: str = "") -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(resources.text(path)) or {}
    except FileNotFoundError:
        raise UsageError(missing or f"{path} is missing") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise UsageError(f"{path}: line {mark.line + 1 if mark else '?'} is no YAML") from None
    if not isinstance(loaded, dict):
        raise UsageError(f"{path}: expected keys and values")
    return loaded


def _merge(into: dict[str, Any], differences: dict[str, Any], file: str, path: str = "") -> None:
    for key, value in differences.items():
        if key not in into:
            raise UsageError(f"{file}: {path}{key}: conf/base.yaml has no such key")
        if isinstance(value, dict) and isinstance(into[key], dict):
            _merge(into[key], value, file, f"{path}{key}.")
        else:
            into[key] = value
