"""Two backfills at once, over and over: each day is written by the one that asked for it, or it is turned away and runs later.

python -m benchmarks.races [ROUNDS]     needs the tests of this project beside it
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from benchmarks import measure, results
from faults.test_races import raced


def main(rounds: int = 20) -> None:
    """`rounds` days for each of the two."""
    spark = measure.session("clickmill races")
    with tempfile.TemporaryDirectory() as folder:
        codes = raced(spark, Path(folder), rounds)
    through = [sum(code == 0 for code in side) for side in codes]
    told = [[name, str(rounds), str(count), str(rounds - count)] for name, count in zip(("first", "second"), through, strict=True)]
    results.write(
        "Two backfills at once", ["process", "days", "written", "turned away"], told, ["Afterwards all days are there, and admitted, once."]
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
