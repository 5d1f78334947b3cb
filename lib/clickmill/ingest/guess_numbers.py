"""How the numbers of an unknown field are written: whether comma and point group digits, or are the decimal mark."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_NUMBER = r"[+-]?(\d+([.,]\d*)?|[.]\d+|\d{1,3}(,\d{3})+([.]\d+)?|\d{1,3}([.]\d{3})+(,\d+)?)([eE][+-]?\d+)?"
_EITHER = r"[+-]?[1-9]\d{0,2}[.,]\d{3}"
"""1,234 is a thousand and more, or a little more than one."""


@dataclass(frozen=True)
class Marks:
    """What comma and point mean in the numbers of a field.

    groups   those that group digits
    decimal  those before the places; both where some numbers are written so and some so
    unsure   those of which the values do not tell it
    """

    groups: tuple[str, ...]
    decimal: tuple[str, ...]
    unsure: tuple[str, ...]

    def plain(self, expression: str) -> str:
        """The expression of the number as Spark reads it: a point before the places, and no groups."""
        for mark in self.groups:
            expression = f"replace({expression}, '{mark}', '')"
        return f"replace({expression}, ',', '.')" if "," in self.decimal else expression


def is_number(text: str) -> bool:
    """Whether the text is a number, in whichever marks."""
    return re.fullmatch(_NUMBER, text) is not None


def marks(found: Iterable[str]) -> Marks:
    """What comma and point mean in these values; what is no number tells nothing."""
    told = {use for text in map(str.strip, found) if is_number(text) for use in _uses(text).items()}
    groups: list[str] = []
    decimal: list[str] = []
    unsure: list[str] = []
    for mark, other in (",.", ".,"):
        uses, of_other = ({is_decimal for one, is_decimal in told if one == which} for which in (mark, other))
        # Where a mark never tells its own meaning, it has the one that the other has not.
        certain = uses - {None} or {not is_decimal for is_decimal in of_other - {None}}
        is_unsure = len(certain) != 1
        # A comma that may be either mostly groups; where it is both, what has groups shows as a reject and not as another number.
        is_group = (mark == "," and True not in uses) if is_unsure else certain == {False}
        if uses:
            (groups if is_group else decimal).append(mark)
            unsure += [mark] if is_unsure else []
    return Marks(tuple(groups), tuple(decimal), tuple(unsure))


def _uses(text: str) -> dict[str, bool | None]:
    """Of each mark in a number whether it is the decimal mark; None where it may be either."""
    found = re.findall("[.,]", text)
    if len(set(found)) == 2:
        return {found[0]: False, found[-1]: True}
    if len(found) > 1:
        return {found[0]: False}
    return {mark: None if re.fullmatch(_EITHER, text) else True for mark in found}
