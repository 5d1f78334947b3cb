"""Rules over values: one suite of a table splits rows before the write and gates what was written.

`with_broken_rules`  names the quarantine rules that each row breaks, in one pass of built-in columns
`gate`               runs the whole suite with Great Expectations over the rows that were written
`disagreements`      compares the two, rule by rule, on rows from before the split
"""

from clickmill.quality.gating import GateResult, disagreements, gate
from clickmill.quality.rows import with_broken_rules

__all__ = ["GateResult", "disagreements", "gate", "with_broken_rules"]
