"""What a Spark SQL expression of a source file names, read from its text alone."""

import re

_TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"      # text
      | `(?:[^`]|``)+`                           # quoted name
      | [^\W\d]\w*                               # name or word
      | \d[\w.]*                                 # number
      | \S                                       # anything else
    """,
    re.VERBOSE,
)
_REFUSED = {
    "code outside it": "reflect java_method try_reflect",
    "time": "now current_date current_timestamp curdate localtimestamp unix_timestamp current_timezone",
    "chance": "rand randn random uuid shuffle uniform randstr",
    "the place in the cluster": "monotonically_increasing_id spark_partition_id input_file_name input_file_block_start",
    "other tables": "select",
    "the session": "user current_user session_user current_catalog current_database current_schema version",
    "several rows": "explode explode_outer posexplode posexplode_outer inline inline_outer stack json_tuple over",
}
WORDS_OF_SPARK = frozenset(
    {"user", "current_user", "session_user", "current_catalog", "current_database", "current_schema"}
    | {"current_date", "current_timestamp", "localtimestamp"}
)
"""Names that Spark takes for functions of its own where no field is called so: a missing `user` would be who runs the job."""

_TODAY = ("today", "now", "yesterday", "tomorrow")
"""Words that are read as a day when they are typed as one."""


def names(expression: str) -> set[str]:
    """Names that may be fields of a record: neither functions, parts behind a dot, types after AS, nor text.

    Words of SQL itself are among them; who calls takes those that are fields.
    """
    tokens = _TOKEN.findall(expression)
    found = set()
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        is_name = token[0] == "`" or token[0] == "_" or token[0].isalpha()
        if is_name and before != "." and before.lower() != "as" and after != "(" and after[:1] not in ("'", '"'):
            found.add(token.strip("`").replace("``", "`"))
    return found


def refusal(expression: str) -> str | None:
    """Why the expression may not stand in a source file: it sees time, chance, other rows or other tables; else None."""
    tokens = [token.lower() for token in _TOKEN.findall(expression)]
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        for what, words in _REFUSED.items():
            if token in words.split() and (after == "(" or token in ("select", "current_date", "current_timestamp")) and before != ".":
                return f"{token} depends on {what}; expected an expression over the fields of one record"
        if before in ("date", "timestamp", "timestamp_ntz", "timestamp_ltz") and token.strip("'\"").strip() in _TODAY:
            return f"{before} {token} depends on time; expected an expression over the fields of one record"
    return None
