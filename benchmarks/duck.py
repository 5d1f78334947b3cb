"""Cleaning in DuckDB's SQL: what lib/clickmill/clean says of the rows of shop.py, in a tenth of the lines and on one machine."""

import shutil
from pathlib import Path

import duckdb

_BOTS = """
WITH rows AS (SELECT *, coalesce(order_id, event_id) AS act FROM mapped),
suspects AS (SELECT site_id, visitor_id FROM rows GROUP BY ALL HAVING count(*) >= 50),
acts AS (SELECT site_id, visitor_id, act, min(event_at) AS moment FROM rows SEMI JOIN suspects USING (site_id, visitor_id) GROUP BY ALL),
gaps AS (SELECT *, epoch_us(moment) - epoch_us(lag(moment) OVER w) AS gap
  FROM acts WINDOW w AS (PARTITION BY site_id, visitor_id ORDER BY moment, act)),
minutes AS (SELECT site_id, visitor_id, date_trunc('minute', moment) AS minute, count(*) AS n FROM acts GROUP BY ALL),
days AS (SELECT site_id, visitor_id, sum(n) AS events, max(n) AS peak, count(DISTINCT hour(minute)) AS hours FROM minutes GROUP BY ALL),
places AS (SELECT site_id, visitor_id, unnest([floor(p) * 2, floor(p + 0.5) * 2 - 1]) AS band
           FROM (SELECT *, ln(gap) / ln(1.2) AS p FROM gaps WHERE gap > 0)),
bands AS (SELECT site_id, visitor_id, max(n) AS even FROM (SELECT site_id, visitor_id, band, count(*) AS n FROM places GROUP BY ALL)
          GROUP BY ALL),
counts AS (SELECT site_id, visitor_id, count(gap) AS gaps FROM gaps GROUP BY ALL),
looks AS (SELECT site_id, visitor_id, count(DISTINCT item_id) AS items,
          count(DISTINCT (item_id, event_id)) FILTER (item_id IS NOT NULL) AS n
          FROM rows SEMI JOIN suspects USING (site_id, visitor_id)
          WHERE event_type IN ('page_view', 'item_view', 'search', 'click', 'impression') GROUP BY ALL)
SELECT site_id, visitor_id FROM days JOIN counts USING (site_id, visitor_id)
LEFT JOIN bands USING (site_id, visitor_id) LEFT JOIN looks USING (site_id, visitor_id)
WHERE events >= 50 AND (events >= 2000 OR peak >= 120 OR (gaps >= 2 AND coalesce(even, 0) / gaps >= 0.8) OR hours >= 22
      OR (items >= 500 AND items >= n * 0.95))
"""

_CLEAN = """
WITH kept AS (
  SELECT m.* REPLACE (CASE WHEN item_id IS NOT NULL AND event_type IN ('add_to_cart', 'remove_from_cart', 'checkout', 'purchase', 'refund')
                      THEN coalesce(quantity, 1) ELSE quantity END AS quantity)
  FROM mapped m WHERE item_id IS NOT NULL OR event_type NOT IN ('item_view', 'add_to_cart', 'remove_from_cart', 'favourite', 'review')),
events AS (SELECT * FROM kept QUALIFY row_number() OVER (PARTITION BY site_id, visitor_id, event_id
           ORDER BY delivery_rank, winner_key NULLS LAST, event_at, source, landing_date, file, delivery_id, block, ordinal) = 1),
keyed AS (SELECT *, CASE WHEN order_id IS NOT NULL AND event_type IN ('checkout', 'purchase')
  THEN md5(to_json({'k': 'order', 'a': event_type, 'b': order_id, 'c': item_id}))
  ELSE md5(to_json({'k': 'act', 'a': event_type, 'b': item_id, 'c': quantity, 'd': price, 'e': currency, 'f': rating, 'g': review_text,
    'h': query, 'i': page_url, 'j': campaign_id, 'k2': impression_id, 'l': order_id})) END AS key,
  CASE WHEN order_id IS NOT NULL AND event_type IN ('checkout', 'purchase') THEN 82800 ELSE 1 END AS window_s FROM events),
acts AS (SELECT * FROM keyed WINDOW w AS (PARTITION BY site_id, visitor_id, key ORDER BY event_at, source_order NULLS FIRST, event_id)
  QUALIFY coalesce(epoch_us(event_at) - epoch_us(lag(event_at) OVER w) > window_s * 1000000::BIGINT, true)),
timed AS (SELECT *, (epoch_us(event_at) - epoch_us(lag(event_at) OVER w)) / 1e6 AS silence,
  (epoch_us(lead(event_at) OVER w) - epoch_us(event_at)) / 1e6 AS next_s, lead(event_date) OVER w AS next_date FROM acts
  WINDOW w AS (PARTITION BY site_id, visitor_id, source_session_id ORDER BY event_at, source_order NULLS FIRST, event_id)),
named AS (SELECT *, last_value(CASE WHEN coalesce(silence > 1800, true) THEN event_id || '-' || strftime(event_date, '%Y%m%d') END
  IGNORE NULLS) OVER (PARTITION BY site_id, visitor_id, source_session_id ORDER BY event_at, source_order NULLS FIRST, event_id
  ROWS UNBOUNDED PRECEDING) AS session_id FROM timed)
SELECT named.* EXCLUDE (silence, next_s, next_date, key, window_s, record_text, problems, file, block, ordinal, delivery_rank, delivery_id,
    winner_key, person_hash, has_near_copies),
  CASE WHEN silence <= 1800 THEN silence END AS gap_s,
  CASE WHEN next_date = event_date AND next_s <= 1800 THEN least(next_s, 1800) END AS dwell_s,
  bots.visitor_id IS NOT NULL AS is_bot
FROM named LEFT JOIN bots USING (site_id, visitor_id)
"""


def cleaned(raw: str, out: Path) -> None:
    """Read the files of raw.events below `raw`, and write what cleaning keeps below `out`, a folder a day, by two threads."""
    shutil.rmtree(out, ignore_errors=True)
    with duckdb.connect() as connection:
        connection.execute("SET threads = 2; SET memory_limit = '8GB'; SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        files = f"read_parquet('{raw}/*/*.parquet', hive_partitioning = true, hive_types = {{'landing_date': DATE}})"
        connection.execute(f"CREATE VIEW mapped AS SELECT * FROM {files} WHERE len(problems) = 0")
        connection.execute(f"CREATE TABLE bots AS {_BOTS}")
        connection.execute(f"COPY ({_CLEAN}) TO '{out}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (event_date))")


def said(files: list[str]) -> str:
    """A query that says in one row what cleaning said of the rows of some files."""
    each = "hash(event_id, session_id, round(coalesce(gap_s, -1), 6), round(coalesce(dwell_s, -1), 6), is_bot)"
    listed = ", ".join(f"'{file.removeprefix('file:')}'" for file in files)
    return f"SELECT count(*), count(DISTINCT session_id), sum({each}), count(*) FILTER (is_bot) FROM read_parquet([{listed}])"
