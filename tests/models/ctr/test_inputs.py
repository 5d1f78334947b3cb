"""Where the rows of a field lie in the table."""

from dataclasses import replace

import pytest

from clickmill.models.ctr.inputs import Vocabulary
from models.ctr.clicks import SPEC


def test_a_block_has_a_row_for_each_value_and_one_for_what_is_unknown_and_fields_of_a_vocabulary_share_it() -> None:
    assert SPEC.row_offsets == (0, 6, 6, 14)
    assert SPEC.sizes == (5, 7, 7, 3)
    assert SPEC.row_count == 18


def test_a_specification_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="a name is given twice: user"):
        replace(SPEC, fields=(*SPEC.fields, SPEC.fields[0]))
    with pytest.raises(ValueError, match="a name is given twice: item"):
        replace(SPEC, vocabularies=(*SPEC.vocabularies, Vocabulary("item", 1)))
    with pytest.raises(ValueError, match="no vocabulary is named item"):
        replace(SPEC, vocabularies=(SPEC.vocabularies[0], SPEC.vocabularies[2]))
    with pytest.raises(ValueError, match="the size of a vocabulary is negative: brand"):
        replace(SPEC, vocabularies=(*SPEC.vocabularies, Vocabulary("brand", -1)))
    with pytest.raises(ValueError, match="2147483666 rows are more than 2147483647"):
        replace(SPEC, vocabularies=(*SPEC.vocabularies, Vocabulary("brand", 2**31 - 1)))
