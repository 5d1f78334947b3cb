"""What `sources new` makes of a file, for tests."""

from clickmill.ingest import guess_text
from clickmill.ingest.source import Source, parse


def source(made: guess_text.Draft) -> Source:
    assert made.problem is None, made.problem
    return parse(made.text, "mine.yaml")


def columns(found: Source) -> dict[str, str | None]:
    return {name: column.value for name, column in found.columns.items()}
