"""SQL properties of a session that hold for a while."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pyspark.sql import SparkSession


@contextmanager
def set_for(spark: SparkSession, properties: Mapping[str, str]) -> Iterator[None]:
    """Set SQL properties for the length of a block, and put the old values back."""
    before = {key: spark.conf.get(key, None) for key in properties}
    for key, value in properties.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, old in before.items():
            spark.conf.unset(key) if old is None else spark.conf.set(key, old)
