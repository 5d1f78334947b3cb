"""The manifest of a training export: what it was made of, and how many rows lie in which file. Plain JSON; needs no Spark and no torch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clickmill.contracts.exported import MANIFEST

NAME = MANIFEST


@dataclass(frozen=True)
class Group:
    """A file of one row group: its path within the export, its rows, and the CRC-32 of its bytes."""

    file: str
    rows: int
    crc32: int


@dataclass(frozen=True)
class Manifest:
    """What a training export is.

    export_id     name of the export: hash of all that it depends on
    table         the table that its rows are of, table_version that of it; vocabulary_version of models.vocabularies
    days          first and last day of each split
    label_wait_days  days after which a label was final
    seed          of the order of rows, and of those that were kept
    answer_rate   share of the rows of training that were answered, those that were not drawn among them; above 0 and below 1
    counts        rows of each split, and those that were left out, by reason
    vocabularies  how many numbers each vocabulary has
    fields        name, vocabulary and is_training_only of each field, in the order of columns
    dense         name, is_training_only, value (the expression), mean and spread of each dense column, likewise
    schema_hash, vocabulary_hash  of the columns, and of every value with its number
    groups        by split, in the order of rows
    """

    export_id: str
    table: str
    table_version: int
    vocabulary_version: int
    days: Mapping[str, tuple[str, str]]
    label_wait_days: int
    seed: int
    answer_rate: float
    counts: Mapping[str, int]
    vocabularies: Mapping[str, int]
    fields: tuple[Mapping[str, Any], ...]
    dense: tuple[Mapping[str, Any], ...]
    schema_hash: str
    vocabulary_hash: str
    groups: Mapping[str, tuple[Group, ...]]

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, indent=1)

    def rows(self, split: str) -> int:
        return sum(one.rows for one in self.groups[split])


def parsed(text: str) -> Manifest:
    """A manifest from its text.

    Raises  ValueError when it is none
    """
    try:
        told = json.loads(text)
        told["groups"] = {split: tuple(Group(**one) for one in groups) for split, groups in told["groups"].items()}
        told["days"] = {split: tuple(days) for split, days in told["days"].items()}
        return Manifest(**{**told, "fields": tuple(told["fields"]), "dense": tuple(told["dense"])})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{NAME}: not the manifest of an export: {error}") from None


def hash_of(*parts: object) -> str:
    """A hash of what can be told as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
