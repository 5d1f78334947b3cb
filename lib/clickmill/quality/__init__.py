"""Rules over values: one suite of a table splits rows before the write and gates what was written.

`broken_rules`   says of each row which quarantine rules it breaks, in built-in columns
`gate`           runs the whole suite with Great Expectations over the rows that were written
`disagreements`  compares the two, rule by rule, on rows from before the split
"""

from clickmill.quality.gating import GateResult, disagreements, gate
from clickmill.quality.rows import broken_rules

__all__ = ["GateResult", "broken_rules", "disagreements", "gate"]
