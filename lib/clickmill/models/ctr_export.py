"""The frozen training export of click networks: from one version of features.ctr_rows, cut by time, encoded, scaled, in equal groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.errors import BadData
from clickmill.contracts.exported import ExportFile, Exports
from clickmill.contracts.hashing import hash_of
from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import CTR_ROWS, EXPORTS, VOCABULARIES
from clickmill.models import ctr_examples, ctr_groups, ctr_scales, manifest
from clickmill.models.ctr_cuts import SPLITS, Cuts, cuts
from clickmill.models.ctr_fields import DENSE, FIELDS
from clickmill.models.ctr_fields import VOCABULARIES as NAMES
from clickmill.models.ctr_groups import Groups
from clickmill.models.ctr_scales import Scale
from clickmill.models.manifest import Group, Manifest

NAME = "ctr_rows"
"""Of the exports that models of clicks learn from."""


@dataclass(frozen=True)
class Plan:
    """How an export is made: the section `export` of the config, the day, the label's wait, the versions read, and the code."""

    as_of: date
    params: Mapping[str, Any]
    label_wait_days: int
    versions: Mapping[str, int]
    code_version: str

    @property
    def export_id(self) -> str:
        """The name of the export: a hash of all that it depends on."""
        return manifest.hash_of(str(self.as_of), self.params, self.label_wait_days, self.versions, self.code_version)

    @property
    def cuts(self) -> Cuts:
        of = {name: self.params[name] for name in ("days", "valid_days", "test_days")}
        return cuts(self.as_of, **of, label_wait_days=self.label_wait_days)


def exported(rows: DataFrame, vocabularies: DataFrame, plan: Plan, exports: Exports) -> DataFrame:
    """Write the export of a plan, where it is not there yet, and describe it. Of too few rows for all groups of a split nothing is made.

    Grain   one row, as in models.exports; none where there are too few rows
    Needs   features.ctr_rows of the days of the plan, models.vocabularies: of the versions that the plan names
    Raises  BadData when a group came out with other rows than it was given
    """
    there = exports.manifest(NAME, plan.export_id)
    if there is None:
        there = _written(rows, vocabularies, plan, exports)
    told = [] if there is None else [_described(manifest.parsed(there), there, plan)]
    return local_frame(rows.sparkSession, told, EXPORTS.schema)


def fates(rows: DataFrame, plan: Plan) -> dict[str, int]:
    """How many rows are in each split, and in none for which reason."""
    counted = {row.split: row["count"] for row in _fated(rows, plan).groupBy("split").count().collect()}
    return {name: counted.get(name, 0) for name in (*SPLITS, *ctr_examples.LEFT_OUT)}


def _fated(rows: DataFrame, plan: Plan) -> DataFrame:
    return ctr_examples.with_fate(rows, plan.cuts, seed=plan.params["seed"], unanswered_share=plan.params["unanswered_share"])


def _written(rows: DataFrame, vocabularies: DataFrame, plan: Plan, exports: Exports) -> str | None:
    counts, params = fates(rows, plan), plan.params
    if min(counts[split] for split in SPLITS) < ctr_groups.GROUPS_A_RANK * params["ranks"]:
        return None
    # A value that got its number later was unknown to whoever learnt from these days.
    known = vocabularies.where(F.col("first_date") <= F.lit(plan.cuts.train.last))
    mine = _fated(rows, plan).where(F.col("split").isin(list(SPLITS)))
    scales, groups = ctr_scales.scales(mine), ctr_groups.equal_groups(mine, group_rows=params["group_rows"], ranks=params["ranks"])
    grouped = ctr_groups.with_group(mine, groups)
    numbers = ctr_examples.numbers(grouped, known, hash_buckets=params["hash_buckets"])
    files = exports.write(NAME, plan.export_id, ctr_examples.examples(grouped, numbers, scales, groups.count))
    _must_be_whole(files, groups)
    answered = mine.where("split = 'train' AND answered").count()
    text = _manifest(plan, counts, answered, scales, known, files).text()
    exports.finish(NAME, plan.export_id, text)
    return text


def _must_be_whole(files: Sequence[ExportFile], groups: Groups) -> None:
    for split, sizes in groups.rows.items():
        written = [one.row_count for one in files if one.split == split]
        if written != list(sizes):
            raise BadData(f"{CTR_ROWS.name}: the groups of {split} were to hold {sum(sizes)} rows, and hold {sum(written)}, or others")


def _manifest(
    plan: Plan, counts: Mapping[str, int], answered: int, scales: Sequence[Scale], known: DataFrame, files: Sequence[ExportFile]
) -> Manifest:
    fields = tuple({"name": of.name, "vocabulary": of.vocabulary, "is_training_only": of.is_training_only} for of in FIELDS)
    # The sum of hashes as a decimal number: exact, so in any order the same.
    hashes = F.sum(hash_of([F.col(name) for name in VOCABULARIES.columns]).cast("decimal(38,0)"))
    told = known.groupBy("vocabulary").agg(F.max("number").alias("size"), hashes.alias("hash")).collect()
    hashed: dict[str, int] = plan.params["hash_buckets"]
    sizes = dict.fromkeys(NAMES, 0) | {row.vocabulary: row.size for row in told} | hashed
    return Manifest(
        export_id=plan.export_id,
        table=CTR_ROWS.name,
        table_version=plan.versions[CTR_ROWS.name],
        vocabulary_version=plan.versions[VOCABULARIES.name],
        days={split: (str(days.first), str(days.last)) for split in SPLITS for days in [getattr(plan.cuts, split)]},
        label_wait_days=plan.label_wait_days,
        seed=plan.params["seed"],
        # All or none answered is a rate as well, of which a logit can be told.
        answer_rate=(answered + 0.5) / (counts["train"] + counts["not_drawn"] + 1),
        counts=dict(counts),
        vocabularies=sizes,
        fields=fields,
        dense=tuple(ctr_scales.told(scales)),
        schema_hash=manifest.hash_of([of["name"] for of in fields], [(of.name, of.value) for of in DENSE]),
        vocabulary_hash=manifest.hash_of(sorted((row.vocabulary, row.size, row.hash) for row in told), sorted(hashed.items())),
        groups={split: tuple(Group(one.path, one.row_count, one.crc32) for one in files if one.split == split) for split in SPLITS},
    )


def _described(told: Manifest, text: str, plan: Plan) -> dict[str, object]:
    return {
        "as_of_date": plan.as_of,
        "export_id": told.export_id,
        "path": f"exports/{NAME}/{told.export_id}",
        "table_version": told.table_version,
        "vocabulary_version": told.vocabulary_version,
        **{f"{split}_{end}_date": getattr(getattr(plan.cuts, split), end) for split in SPLITS for end in ("first", "last")},
        "label_wait_days": told.label_wait_days,
        "seed": told.seed,
        **{f"{name}_count": told.counts[name] for name in (*SPLITS, *ctr_examples.LEFT_OUT)},
        "group_count": sum(map(len, told.groups.values())),
        "manifest_hash": manifest.hash_of(text),
    }


def counts(exports: DataFrame, rows: DataFrame, plan: Plan) -> dict[str, int]:
    """Count what was exported and what was left out, by reason.

    Needs   exports: what exported() told; rows: the features.ctr_rows that it was given
    Raises  BadData when a row is in no split and was left out for no reason
    """
    there, told = rows.count(), exports.first()
    fate = fates(rows, plan) if told is None else {name: int(told[f"{name}_count"]) for name in (*SPLITS, *ctr_examples.LEFT_OUT)}
    if sum(fate.values()) != there:
        raise BadData(f"{CTR_ROWS.name}: {there} rows came in, but {sum(fate.values())} were exported or left out")
    kept = {f"exported, {split}" if told else f"too few to export, {split}": fate[split] for split in SPLITS}
    return {"rows": there, **kept, **{f"left out, {name.replace('_', ' ')}": fate[name] for name in ctr_examples.LEFT_OUT}}
