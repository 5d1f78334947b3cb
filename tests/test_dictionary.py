"""The data dictionary says what the contracts say."""

from pathlib import Path

import pytest

from clickmill import dictionary
from clickmill.contracts.table import Table
from clickmill.contracts.tables import ALL


def test_the_page_is_what_the_contracts_say_now() -> None:
    page = Path(__file__).resolve().parents[1] / dictionary.FILE
    assert page.read_text(encoding="utf-8") == dictionary.text(), "stale: `make docs` writes it anew"


@pytest.mark.parametrize("table", ALL, ids=lambda one: one.name)
def test_every_column_has_a_meaning_and_a_class_of_personal_data_and_says_what_null_means(table: Table) -> None:
    assert len(table.comment) > 10
    for field in table.schema.fields:
        assert len(field.metadata["comment"]) >= 4, field.name
        assert field.metadata["personal"] in ("direct", "linked", "none"), field.name
        assert not field.nullable or "null" in field.metadata["comment"], f"{field.name} may be null, and does not say what that means"
        if field.dataType.simpleString() == "timestamp":
            assert "UTC" in field.metadata["comment"], f"{field.name} does not say its zone"
