"""Over and over, two backfills at once, each day of which is written or turned away and runs later; and sequences of landings, runs
and deaths, each another one every time, after which the tables are those of one run.

python -m benchmarks.races [ROUNDS]     needs the tests of this project beside it
"""

import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

from pyspark.sql import SparkSession

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from hypothesis import Phase, given, settings

import test_flow
from benchmarks import measure, results
from clickmill import quality
from faults.test_races import raced
from ungated import passes


def main(rounds: int = 20) -> None:
    """`rounds` days for each of the two, and as many sequences."""
    spark = measure.session("clickmill races")
    with tempfile.TemporaryDirectory() as folder:
        codes = raced(spark, Path(folder), rounds)
        deaths = _died(spark, Path(folder), rounds)
    through = [sum(code == 0 for code in side) for side in codes]
    told = [[name, str(rounds), str(done), str(rounds - done)] for name, done in zip(("first", "second"), through, strict=True)]
    results.write(
        "Two backfills at once", ["process", "days", "written", "turned away"], told, ["Afterwards all days are there, and admitted, once."]
    )
    columns, notes = ["sequences", "runs that died", "points at which they died"], ["After each the tables were those of one run."]
    told = [[str(rounds), str(len(deaths)), str(len(set(deaths)))]]
    results.write("Sequences of landings, runs and deaths", columns, told, notes)


def _died(spark: SparkSession, folder: Path, sequences: int) -> list[str]:
    """The points at which runs died in so many sequences, none of which is known beforehand."""
    numbers = count()

    @settings(max_examples=sequences, deadline=None, database=None, phases=[Phase.generate])
    @given(sequence=test_flow.sequences)
    def goes(sequence: list[tuple[Any, ...]]) -> None:
        test_flow.ends_well(test_flow.World(spark, f"{folder}/lake-{next(numbers)}"), sequence)

    with mock.patch.object(quality, "gate", passes):  # what is tried is the order of steps, not the rules
        goes()
    return test_flow.deaths


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
