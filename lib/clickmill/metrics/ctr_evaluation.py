"""What models of clicks reached on rows that none of them learnt from, beside rates of answers, which need no training.

Rows lie in blocks of whole users. A block becomes a state of each slice, whose size does not depend on its rows (22 MB of six models
and four rates); states add up (ctr.py), and only sums become measures. So a value is the same however users were dealt to blocks.
States travel in pieces, which no batch of rows is too large for; no worker holds more than a block, a piece of each block, or one sum.

Shapes  R rows of a block, M models, the rates last, L numbers of the state of one
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from clickmill.contracts.conform import conform
from clickmill.contracts.errors import BadData
from clickmill.contracts.events import USER
from clickmill.contracts.hashing import hash_of
from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import CTR_EVALUATIONS, CTR_MODELS, CTR_ROWS, CTR_SCORES
from clickmill.metrics.bootstrap import Replicates, differences, intervals
from clickmill.metrics.ctr import Flags, Floats, Ints, Rows
from clickmill.metrics.histogram import Histogram

BASE_RATE = "base_rate"
RATES = {"item_rate": "item_answer_rate", "category_rate": "category_answer_rate", "campaign_rate": "campaign_answer_rate"}
"""Models that need no training: a smoothed rate of the 28 days before, as the row that judges has it. Rates of where something was
shown are none: nobody knows that when scoring."""
BASELINES = (*RATES, BASE_RATE)
LINEAR = "spark_logistic_regression"
REFERENCES = (BASE_RATE, LINEAR)
"""The models that others must beat to be worth their trouble."""
DRAWS, SEED = 100, 20240501
ROWS_A_BLOCK = 1_000_000
"""Rows that a block has on average, some 50 MB: as many states are moved as there are blocks."""

_PIECE = 2**14
_BINS = math.prod(Histogram.SHAPE)
_WITH_INTERVAL = ("log_loss", "normalised_entropy", "predicted_to_observed", "auc", "gauc")
_STATE = "site_id string, slice string, piece int, sums binary"
_MEASURED = StructType([field for field in CTR_EVALUATIONS.schema.fields if field.name not in ("as_of_date", "export_id")])
_Ends = tuple[float, float | None, float | None]


@dataclass(frozen=True)
class Trial:
    """Models that learnt from one export, and are judged by its last days.

    export  its row of models.exports
    models  model_run_id, model and params of each, in the order of `said`; BASELINES come after them
    """

    export: Row
    models: tuple[Row, ...]

    @property
    def judged(self) -> tuple[Row, ...]:
        """All that are judged: the models, then the baselines."""
        run_ids = {name: hashlib.sha256(f"{self.export.export_id} {name}".encode()).hexdigest()[:16] for name in BASELINES}
        return (*self.models, *(Row(model_run_id=run_id, model=name, params="{}") for name, run_id in run_ids.items()))


def trial(exports: DataFrame, models: DataFrame) -> Trial | None:
    """What there is to judge; None where there are no models.

    Needs   models.exports and models.ctr_models of one day
    Raises  BadData when a model learnt from another export
    """
    export = exports.first()
    told = tuple(models.select("model_run_id", "model", "params", "export_id").orderBy("model", "model_run_id").collect())
    there = None if export is None else export.export_id
    for one in told:
        if one.export_id != there:
            raise BadData(f"{CTR_MODELS.name}: {one.model} {one.model_run_id} learnt from the export {one.export_id}, not from {there}")
    return None if export is None or not told else Trial(export, told)


def labelled(export: Row, split: str) -> Column:
    """Whether a row of features.ctr_rows is one of the days of a split of an export, with its label."""
    first, last = (F.lit(export[f"{split}_{end}_date"]) for end in ("first", "last"))
    return F.col("known_date").between(first, last) & F.col("answered").isNotNull()


def evaluated(rows: DataFrame, scores: DataFrame, of: Trial | None, keep: Callable[[DataFrame], DataFrame]) -> DataFrame:
    """Judge the models of a trial, and the baselines, by the rows of its last days.

    Grain   one row per (model, site, slice, metric), as in models.ctr_evaluations; none without a trial
    Needs   rows: features.ctr_rows of the days of the export, with row_id, its place in the order of the export; models.ctr_scores of
            the day; keep: persists a frame
    Raises  BadData that names a model without just one score for each row, or when the rows are not those that were exported
    """
    if of is None:
        return local_frame(rows.sparkSession, [], CTR_EVALUATIONS.schema)
    rates, both = base_rates(rows, of), keep(judged(rows, scores, of))
    return _evaluations(both, rates, _rows_by_site(both, of), of)


def base_rates(rows: DataFrame, of: Trial) -> dict[str | None, float]:
    """The rate of answers of each site on the days that were learnt from; under None that of all, for a site that had no rows then.

    Rows that were not drawn for the export count too: nothing has to be weighed.

    Raises  BadData when the rows are not those that were exported, or left out for not being drawn
    """
    learnt = rows.where(labelled(of.export, "train")).groupBy("site_id")
    told = learnt.agg(F.count("*").alias("rows"), F.count_if("answered").alias("answered")).collect()
    there, exported = sum(one.rows for one in told), of.export.train_count + of.export.not_drawn_count
    if there != exported:
        raise BadData(f"{CTR_ROWS.name}: {there} rows of the days that were learnt from, but the export was made of {exported}")
    return {one.site_id: one.answered / one.rows for one in told} | {None: sum(one.answered for one in told) / there}


def judged(rows: DataFrame, scores: DataFrame, of: Trial) -> DataFrame:
    """Put what every model said beside each row that judges.

    Grain   one row per row_id of either: site_id, user (a hash; who has no name is alone), is_known (whether the user did anything in
            the 90 days before), answered, rates (the RATES of the row): null of a score without a row; said and times
            (by model: the probability, and how often there is one): null of a row without any score
    Needs   rows: features.ctr_rows with row_id; models.ctr_scores of the day
    """
    user = F.when(F.col("user_id").isNotNull(), hash_of(F.col(name) for name in USER)).otherwise(F.xxhash64(F.lit("nobody"), "row_id"))
    is_known = F.col("user_since_any_s").isNotNull()
    mine = rows.where(labelled(of.export, "test")).select(
        "row_id", "site_id", user.alias("user"), is_known.alias("is_known"), "answered", F.array(*RATES.values()).alias("rates")
    )
    by_model = [F.col("model_run_id") == one.model_run_id for one in of.models]
    said = F.array(*(F.max(F.when(is_one, F.col("probability"))) for is_one in by_model))
    times = F.array(*(F.count_if(is_one).cast("int") for is_one in by_model))
    scored = scores.where("split = 'test'").groupBy("row_id").agg(said.alias("said"), times.alias("times"))
    return mine.join(scored, on="row_id", how="full")


def _rows_by_site(both: DataFrame, of: Trial) -> dict[str, int]:
    """How many rows judge, once it is sure that every model has just one score for each."""
    has_row = F.col("site_id").isNotNull()
    times = [F.coalesce(F.col("times")[place], F.lit(0)) for place in range(len(of.models))]
    kinds = [(has_row & (n == 0), n > 1, ~has_row & (n > 0)) for n in times]
    told = both.groupBy("site_id").agg(F.count("*"), *(F.count_if(one) for of_model in kinds for one in of_model)).collect()
    rows = {site: count for site, count, *_ in told if site is not None}
    there, found = sum(rows.values()), [sum(counted) for counted in zip(*(row[2:] for row in told), strict=True)]
    if there != of.export.test_count:
        raise BadData(f"{CTR_ROWS.name}: {there} rows of the days that judge, but {of.export.test_count} were exported")
    for one, missing, twice, astray in zip(of.models, found[::3], found[1::3], found[2::3], strict=True):
        if missing or twice or astray:
            what = f"of {there} rows that judge {missing} have no score; {twice} scores are there twice, {astray} are of no such row"
            raise BadData(f"{CTR_SCORES.name}: {one.model} {one.model_run_id}: {what}")
    return rows


def _evaluations(both: DataFrame, rates: Mapping[str | None, float], rows: Mapping[str, int], of: Trial) -> DataFrame:
    models = [(one.model_run_id, one.model, one.params) for one in of.judged]
    blocks = F.create_map(*(F.lit(of_site) for site, count in rows.items() for of_site in (site, count // ROWS_A_BLOCK + 1)))
    block = F.pmod("user", blocks[F.col("site_id")]).alias("block")
    by_block = both.select("site_id", "user", "is_known", "answered", "said", "rates", block).groupBy("site_id", "block")
    states = by_block.applyInArrow(lambda block: _states(block, rates), _STATE)
    summed = states.groupBy("site_id", "slice", "piece").applyInArrow(_added, _STATE)
    measured = summed.groupBy("site_id", "slice").applyInArrow(lambda pieces: _measured(pieces, models), _MEASURED)
    day = {"as_of_date": F.lit(of.export.as_of_date), "export_id": F.lit(of.export.export_id)}
    return conform(measured.withColumns(day), CTR_EVALUATIONS)


def _states(block: pa.Table, rates: Mapping[str | None, float]) -> pa.Table:
    """The states of the slices of a block, in pieces."""
    site, count = block["site_id"][0].as_py(), block.num_rows
    user, answered, is_known = (block[name].to_numpy() for name in ("user", "answered", "is_known"))
    by_row = [pc.list_flatten(block[name]).to_numpy().reshape(count, -1) for name in ("said", "rates")]
    said = np.column_stack([*by_row, np.full(count, rates.get(site, rates[None]))])
    slices: dict[str, Flags] = {"all": np.ones(count, bool), "known": is_known, "new": ~is_known}
    cut = []
    for name, mine in slices.items():
        if mine.any():
            sums = _state(said[mine], answered[mine], user[mine])
            pieces = [sums[first : first + _PIECE].tobytes() for first in range(0, len(sums), _PIECE)]
            columns = {"site_id": [site] * len(pieces), "slice": [name] * len(pieces), "piece": pa.array(range(len(pieces)), pa.int32())}
            cut.append(pa.table({**columns, "sums": pieces}))
    return pa.concat_tables(cut)


def _state(said: Floats, answered: Flags, user: Ints) -> Floats:
    """How many users there are, then the state of each model: its replicates and its histogram. Shapes  said (R, M); (1 + M x L,)"""
    rows = [Rows.of(probability, answered) for probability in said.T]
    states = [kind for one in rows for kind in (Replicates.of(one, user, draws=DRAWS, seed=SEED), Histogram.of(one))]
    return np.concatenate([[len(np.unique(user))], *(state.to_array() for state in states)])


def _added(pieces: pa.Table) -> pa.Table:
    """The sum of one piece of all blocks."""
    sums: Floats = reduce(np.add, (np.frombuffer(one.as_py()) for one in pieces["sums"]))
    return pieces.slice(0, 1).drop_columns("sums").append_column("sums", pa.array([sums.tobytes()]))


def _measured(pieces: pa.Table, models: Sequence[tuple[str, str, str]]) -> pa.Table:
    """The measures of all models (model_run_id, model, params), of the pieces of the sum of a site and slice."""
    sums = np.frombuffer(b"".join(pieces.sort_by("piece")["sums"].to_pylist()))
    states = sums[1:].reshape(len(models), -1)
    replicates = [Replicates.from_array(one[:-_BINS]) for one in states]
    # Of several models of a name the first is the one that others are held against.
    places = {model: place for place, (_, model, _) in reversed(list(enumerate(models)))}
    references = {f"log_loss_gain_over_{name}": replicates[places[name]] for name in REFERENCES if name in places}
    where, counted = (pieces["site_id"][0].as_py(), pieces["slice"][0].as_py()), (int(replicates[0].values[0, 0]), int(sums[0]))
    told = []
    for about, mine, state in zip(models, replicates, states, strict=True):
        measures = _measures(mine, Histogram.from_array(state[-_BINS:])) | _gains(mine, references)
        told += [(*about, *where, metric, *ends, *counted) for metric, ends in measures.items()]
    return pa.Table.from_arrays([pa.array(column) for column in zip(*told, strict=True)], _MEASURED.names).cast(to_arrow_schema(_MEASURED))


def _measures(mine: Replicates, histogram: Histogram) -> dict[str, _Ends]:
    told: dict[str, _Ends | None] = {**intervals({name: of for name, of in mine.measures().items() if name in _WITH_INTERVAL})}
    precision, error = histogram.average_precision(), histogram.by_decile().error()
    told["average_precision"] = None if precision is None else (precision.value, None, None)
    told["calibration_error"] = None if error is None else (error, None, None)
    return {name: ends for name, ends in told.items() if ends is not None}


def _gains(mine: Replicates, references: Mapping[str, Replicates]) -> dict[str, _Ends]:
    """What a model takes off the log loss of the references, of the same users in each replicate."""
    others = {name: other for name, other in references.items() if other is not mine}
    told = intervals({name: differences(mine, other)["log_loss"] for name, other in others.items()})
    return {name: ends for name, ends in told.items() if ends is not None}


def counts(evaluations: DataFrame, scores: DataFrame, of: Trial | None) -> dict[str, int]:
    """Count what was judged.

    Needs   the rows of a day that evaluated() told; models.ctr_scores of the day
    Raises  BadData when a model was judged by other rows or users than the others, or a score is of no model
    """
    whole = evaluations.where("slice = 'all' and metric = 'log_loss'").groupBy("model_run_id")
    told = whole.agg(F.sum("row_count").alias("rows"), F.sum("user_count").alias("users")).collect()
    expected = set() if of is None else {one.model_run_id for one in of.judged}
    rows, users = (of.export.test_count, told[0].users) if of is not None and told else (0, 0)
    if {one.model_run_id for one in told} != expected or any((one.rows, one.users) != (rows, users) for one in told):
        raise BadData(f"{CTR_EVALUATIONS.name}: {len(expected)} models were to be judged by {rows} rows each: {sorted(map(tuple, told))}")
    there, judge = scores.where("split = 'test'").count(), rows * max(len(told) - len(BASELINES), 0)
    if there != judge:
        raise BadData(f"{CTR_SCORES.name}: {there} scores of rows that judge, but {judge} of these are of a model of the day")
    return {"models judged": len(told), "rows that judge": rows, "users that judge": users}
