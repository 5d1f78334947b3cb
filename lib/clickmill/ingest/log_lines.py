"""Log lines -> records: the named groups of a regular expression that matches the whole line."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.reasons import named
from clickmill.ingest.parts import NAMED_GROUP, compiled
from clickmill.ingest.records import PLACE, Records, no_map
from clickmill.ingest.source import Source


def records(lines: DataFrame, source: Source, file: str) -> Records:
    """Fields are the named groups, all text; a group that took no part is empty.

    Grain   one row per line; problems: bad_encoding, empty_line, no_match
    """
    assert source.read.regex is not None
    groups = compiled(source.read.regex).groupindex
    # By number: Java takes no underscore in the name of a group, and no (?P<name>.
    whole = rf"^(?:{NAMED_GROUP.sub('(', source.read.regex)})\z"
    line = F.col("__line")
    is_empty, matches = F.trim(line) == "", line.rlike(whole)
    problems = named({"bad_encoding": ~F.col("__is_text"), "empty_line": is_empty, "no_match": ~is_empty & ~matches})
    judged = lines.withColumns({"__problems": problems, "__readable": F.size(problems) == 0})
    fields = [F.when(F.col("__readable"), F.regexp_extract("__line", whole, number)).alias(name) for name, number in groups.items()]
    unmapped = [part for name in source.unmapped(list(groups)) for part in (F.lit(name), F.col(f"`{name}`"))]
    frame = judged.select(*PLACE, F.col("__line").alias("__text"), "__problems", "__readable", *fields)
    kept = F.when(F.col("__readable"), F.create_map(*unmapped)) if unmapped else no_map()
    return Records(frame.withColumn("__unmapped", kept), tuple(groups), file)
