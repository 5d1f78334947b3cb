"""Where the rows of a field lie in the table, and what tells two specifications apart."""

import json
from dataclasses import replace

import pytest

from clickmill.models.ctr.inputs import CategoricalField, InputSpec, Vocabulary
from models.ctr.clicks import SPEC


def test_a_block_has_a_row_for_each_value_and_one_for_what_is_unknown_and_fields_of_a_vocabulary_share_it() -> None:
    assert SPEC.row_offsets == (0, 6, 6, 14)
    assert SPEC.sizes == (5, 7, 7, 3)
    assert SPEC.row_count == 18


def test_a_specification_comes_back_from_json_with_the_same_hash() -> None:
    again = InputSpec.from_dict(json.loads(json.dumps(SPEC.as_dict())))
    assert again == SPEC
    assert again.hash == SPEC.hash == "4f92685827139e70"


@pytest.mark.parametrize(
    "other",
    [
        replace(SPEC, fields=SPEC.fields[::-1]),
        replace(SPEC, dense=SPEC.dense[:1]),
        replace(SPEC, vocabularies=(Vocabulary("user", 6), *SPEC.vocabularies[1:])),
        replace(SPEC, fields=(*SPEC.fields[:3], CategoricalField("position", "position"))),
    ],
)
def test_another_order_size_or_use_of_an_input_is_another_specification(other: InputSpec) -> None:
    assert other.hash != SPEC.hash


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
