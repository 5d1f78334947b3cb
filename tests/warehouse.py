"""DuckDB as the warehouse of a test: a connection that reads Delta tables."""

from pathlib import Path

import duckdb
import duckdb_extension_delta


def connected() -> duckdb.DuckDBPyConnection:
    """A connection with the Delta extension that the package brings; nothing is fetched from anywhere."""
    found = next(Path(duckdb_extension_delta.__file__).parent.rglob("delta.duckdb_extension"))
    con = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    con.execute(f"load '{found}'")
    return con
