"""Hadoop's file system: it reaches wherever Spark reads and writes, a folder of this machine or a store elsewhere."""

from typing import Any

from pyspark.sql import SparkSession


def at(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """The file system that a path or glob lies in, and the path as that file system takes it; both are Java's."""
    java: Any = spark._jvm
    session: Any = spark._jsparkSession
    there = java.org.apache.hadoop.fs.Path(path)
    return there.getFileSystem(session.sessionState().newHadoopConf()), there
