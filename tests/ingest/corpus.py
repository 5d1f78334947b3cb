"""Dirty input of whole kinds, and what must become of it. `python tests/ingest/corpus.py FOLDER` writes the files to look at.

A kind of line is accepted, or turned away for a reason; a kind of file is
accepted, or refused by its name.
"""

import gzip
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow
from pyarrow import parquet

DAY = "2024-05-16"
SECONDS = 1_715_860_800  # noon of the day, UTC
CSV_HEADER = "id,user,item,at,price,qty,action,note"
CSV_SOURCE = """
name: corpus
site_id: {constant: csv_shop}
read: {format: csv, multi_line: true}
landing_date: {name: '(\\d{4}-\\d{2}-\\d{2})'}
columns:
  visitor_id: user
  item_id: item
  event_at: {value: at, unit: seconds}
  price: price
  quantity: qty
  review_text: note
event_types: {from: action, map: {view: item_view, buy: purchase}}
ids: {key: [id]}
"""

LOG_SOURCE = """
name: log
site_id: {constant: log_shop}
read: {format: log, regex: '(?<at>\\d+) (?<user>\\w+) (?<url>\\S+)'}
landing_date: {name: '(\\d{4}-\\d{2}-\\d{2})'}
columns: {visitor_id: user, event_at: {value: at, unit: seconds}, page_url: url}
event_types: {constant: page_view}
ids: {key: [at, url]}
"""


@dataclass(frozen=True)
class Line:
    """One dirty line. `reason`: why it is turned away; None where it is accepted, with the values of `seen`."""

    kind: str
    text: bytes
    reason: str | None = None
    seen: tuple[tuple[str, str], ...] = ()


def event(kind: str, **changes: object) -> str:
    """A clean line of our own plain form, with some fields changed."""
    row = {
        "event_id": kind,
        "site_id": "shop",
        "event_type": "item_view",
        "event_at": f"{DAY}T12:00:00Z",
        "visitor_id": kind,
        "item_id": "i1",
    }
    return json.dumps(row | changes, ensure_ascii=False)


def said(kind: str, text: str | bytes, reason: str | None = None, **seen: str) -> Line:
    return Line(kind, text.encode() if isinstance(text, str) else text, reason, tuple(sorted(seen.items())))


def json_lines() -> list[Line]:
    """Lines of our own plain form."""
    nested = event("nested").replace('"i1"', '{"sku": "i1"}')
    return [
        said("clean", event("clean"), item_id="i1"),
        said("nul", event("nul", item_id="a\0b").replace("\\u0000", "\\u0000"), item_id="a\0b"),
        said("raw nul", event("raw nul", item_id="aXb").replace("X", "\0"), "bad_json"),
        said("invalid utf-8", event("invalid utf-8", item_id="aXb").encode().replace(b"X", b"\xff\xfe"), "bad_encoding, bad_json"),
        said("half a character", event("half a character", item_id="X").replace("X", "\\ud800"), "bad_encoding"),
        said("second half", event("second half", item_id="aXb").replace("X", "\\uDC00"), "bad_encoding"),
        said("halves in the wrong order", event("halves in the wrong order", item_id="X").replace("X", "\\udc00\\ud83d"), "bad_encoding"),
        said("half in a field nobody mapped", event("half in a field nobody mapped", note="X").replace("X", "\\ud83d"), "bad_encoding"),
        said("half in an item", event("half in an item", items=[{"item_id": "X"}]).replace("X", "\\ud83dx"), "bad_encoding"),
        said("two halves", event("two halves", item_id="X").replace("X", "\\ud83d\\uDE00"), item_id="\U0001f600"),
        said("escape of an escape", event("escape of an escape", item_id="X").replace("X", "\\\\ud800"), item_id="\\ud800"),
        said("letter before the halves", event("letter before the halves", item_id="X").replace("X", "\\ud7ff"), item_id="\ud7ff"),
        said(
            "ten megabytes of escapes",
            event("ten megabytes of escapes", review_text="X").replace("X", "\\ud83d\\ude00" * 800_000),
            item_id="i1",
        ),
        said("ten megabytes", event("ten megabytes", review_text="x" * 10_000_000), item_id="i1"),
        said("doubled key", event("doubled key")[:-1] + ', "item_id": "i2"}', "two_values_for_item_id"),
        said("unknown key", event("unknown key", colour="red"), item_id="i1", unmapped='{"colour":"red"}'),
        said("other case", event("other case").replace('"item_id"', '"Item_ID"'), "item_id_missing"),
        said("two cases", event("two cases")[:-1] + ', "Item_id": "i2"}', "two_values_for_item_id"),
        said("2^63", event("2^63", quantity=2**63), "bad_quantity"),
        said("2^63 as an id", event("2^63 as an id", item_id=2**63), item_id="9223372036854775808"),
        said("not a number", event("not a number").replace('"i1"', '"i1", "price": NaN'), "bad_json"),
        said("not a number in text", event("not a number in text", price="NaN"), "bad_price"),
        said("infinity in text", event("infinity in text", price="-Infinity"), "bad_price"),
        said("year 1", event("year 1", event_at="0001-01-01T00:00:00Z"), "bad_event_at"),
        said("year 9999", event("year 9999", event_at="9999-12-31T00:00:00Z"), "bad_event_at"),
        said("far future", event("far future", event_at="2031-01-01T00:00:00Z"), "in_future"),
        said("long ago", event("long ago", event_at="2024-05-01T00:00:00Z"), "too_late"),
        said("no such day", event("no such day", event_at="2024-02-30T00:00:00Z"), "bad_event_at"),
        said("blank time", event("blank time", event_at=" "), "event_at_missing"),
        said("nested", nested, "bad_item_id"),
        said("a list", event("a list", price=[1, 2]), "bad_price"),
        said("price with a comma", event("price with a comma", price="12,50"), "bad_price"),
        said("price with thousands", event("price with thousands", price="1,234.50"), "bad_price"),
        said("price as a float", event("price as a float", price=19.989999771118164), price="19.9900"),
        said("price half up", event("price half up", price="0.00005"), price="0.0001"),
        said("quantity half up", event("quantity half up", quantity="2.0005"), quantity="2.001"),
        said("id with .0", event("id with .0", item_id="17850.0"), item_id="17850.0"),
        said("id with zeros", event("id with zeros", item_id="00123"), item_id="00123"),
        said("carriage return", event("carriage return") + "\r", item_id="i1"),
        said("cut off", event("cut off")[:40], "bad_json"),
        said("no object", "[1, 2]", "not_an_object"),
        said("blank line", "   ", "empty_line"),
        said("negative quantity", event("negative quantity", quantity="-3"), "quantity_negative"),
        said("unknown type", event("unknown type", event_type="teleport"), "unknown_event_type"),
        said("type in another case", event("type in another case", event_type="Item_View"), "unknown_event_type"),
    ]


def row(kind: str, at: object = SECONDS, item: str = "i1", price: str = "9.90", note: str = "", qty: str = "1") -> str:
    return f"{kind},{kind},{item},{at},{price},{qty},view,{note}"


def csv_lines() -> list[Line]:
    """Lines of a CSV whose times are declared in seconds."""
    return [
        said("clean", row("clean"), item_id="i1", price="9.9000"),
        said("milliseconds", row("milliseconds", SECONDS * 1000), "bad_event_at"),
        said("carriage return", row("carriage return") + "\r", item_id="i1"),
        said("line feed in quotes", row("line feed in quotes", note='"first\nsecond"'), review_text="first\nsecond"),
        said("quotes in quotes", row("quotes in quotes", note='"a ""b"" c"'), review_text='a "b" c'),
        said("price with a comma", row("price with a comma", price='"12,50"'), "bad_price"),
        said("too few fields", "too few fields,too few fields,i1", "wrong_field_count: 3 fields, 8 expected"),
        said("too many fields", row("too many fields") + ",more,more", "wrong_field_count: 10 fields, 8 expected"),
        said("header again", CSV_HEADER, "header_line"),
        said("invalid utf-8", row("invalid utf-8", note="X").encode().replace(b"X", b"\xff"), "bad_encoding"),
        said("not a number", row("not a number", price="NaN"), "bad_price"),
        said("infinity", row("infinity", price="inf"), "bad_price"),
        said("2^63", row("2^63", 2**63), "bad_event_at"),
        said("id with .0", row("id with .0", item="17850.0"), item_id="17850.0"),
        said("half a piece", row("half a piece", qty="0.5"), quantity="0.500"),
    ]


def json_file() -> bytes:
    return b"\n".join(one.text for one in json_lines()) + b"\n"


def csv_file() -> bytes:
    return b"\xef\xbb\xbf" + CSV_HEADER.encode() + b"\r\n" + b"\n".join(one.text for one in csv_lines()) + b"\n"


def refused() -> dict[str, tuple[bytes, str]]:
    """Files that stop the run: their name, their bytes, and what is told beside the name."""
    plain = f"{CSV_HEADER}\n{row('a')}\n".encode()
    packed = gzip.compress(plain * 500)
    return {
        f"{DAY}-cut.csv.gz": (packed[: len(packed) // 2], "truncated"),
        f"{DAY}-no-gzip.csv.gz": (plain, "gzip"),
        f"{DAY}-no-bytes.csv.gz": (b"", "no bytes"),
        f"{DAY}-doubled.csv": (plain.replace(b"price,qty", b"price,price"), "price"),
        f"{DAY}-missing.csv": (plain.replace(b"price", b"prize"), "price"),
        f"{DAY}-bare-returns.csv": (plain.replace(b"\n", b"\r"), "carriage return"),
        f"{DAY}-utf16.csv": (plain.decode().encode("utf-16"), "none is one that corpus reads"),
    }


def headless_source() -> str:
    """The CSV source, of files without a header."""
    return CSV_SOURCE.replace("multi_line: true", f"multi_line: true, header: false, fields: [{CSV_HEADER}]")


def refused_lines() -> dict[str, tuple[bytes, str]]:
    """Files of lines without a header that stop the run; the end of the name says which source reads them."""
    events = "".join(event(f"e{n}") + "\n" for n in range(3)).encode()
    log = "".join(f"{SECONDS + n} u{n} /p{n}\n" for n in range(3)).encode()
    rows = "".join(row(f"r{n}", note='"a, b"') + "\n" for n in range(3)).encode()
    returns = "carriage return"
    return {
        f"{DAY}-bare-returns.jsonl": (events.replace(b"\n", b"\r"), returns),
        f"{DAY}-bare-returns-and-one-line-feed.jsonl": (events.replace(b"\n", b"\r", 2), returns),
        f"{DAY}-packed.jsonl": (gzip.compress(events), "gzip"),
        f"{DAY}-packed-twice.jsonl.gz": (gzip.compress(gzip.compress(events)), "gzip"),
        f"{DAY}-utf16.jsonl": (events.decode().encode("utf-16"), "UTF-16"),
        f"{DAY}-utf16-be-no-mark.jsonl": (events.decode().encode("utf-16-be"), "UTF-16"),
        f"{DAY}-plain.jsonl.lz4": (events, "cannot be told from an empty one"),
        f"{DAY}-plain.jsonl.snappy": (events, "cannot be told from an empty one"),
        f"{DAY}-bare-returns.log": (log.replace(b"\n", b"\r"), returns),
        f"{DAY}-packed.log": (gzip.compress(log), "gzip"),
        f"{DAY}-utf16.log": (log.decode().encode("utf-16"), "UTF-16"),
        f"{DAY}-bare-returns.txt": (rows.replace(b"\n", b"\r"), returns),
        f"{DAY}-packed.txt": (gzip.compress(rows), "gzip"),
    }


def accepted_lines() -> dict[str, tuple[bytes, int]]:
    """Files of lines without a header that are read, and how many of their records can be mapped."""
    return {
        f"{DAY}-crlf.jsonl": (event("a").encode() + b"\r\n", 1),
        f"{DAY}-return-between-fields.jsonl": (event("b").replace(", ", ",\r").encode() + b"\n", 1),
        f"{DAY}-zeros.jsonl": (b"\0" * 4096 + b"\n" + event("c").encode() + b"\n", 1),
        f"{DAY}-crlf.log": (f"{SECONDS} u1 /p1\r\n".encode(), 1),
        f"{DAY}-return-in-quotes.txt": (row("d", note='"a\rb"').encode() + b"\r\n", 1),
    }


def accepted() -> dict[str, tuple[bytes, int]]:
    """Files that are read: their name, their bytes, and how many records they have."""
    head = f"{CSV_HEADER}\n".encode()
    return {
        f"{DAY}-empty.csv": (b"", 0),
        f"{DAY}-header-only.csv": (head, 0),
        f"{DAY}-bom-only.csv": (b"\xef\xbb\xbf" + head, 0),
        f"{DAY}-no-last-line-feed.csv": (head + row("a").encode(), 1),
        f"{DAY}-crlf.csv": (head.replace(b"\n", b"\r\n") + row("b").encode() + b"\r\n", 1),
        f"{DAY}-two-members.csv.gz": (gzip.compress(head + row("c").encode() + b"\n") + gzip.compress(row("d").encode() + b"\n"), 2),
        f"{DAY}-blank-lines.csv": (head + b"\n\n" + row("e").encode() + b"\n\n", 1),
    }


def parquet_file() -> bytes:
    """A good Parquet file; cut in half it is a bad one."""
    out = io.BytesIO()
    columns = {"id": ["a", "b"], "user": ["v1", "v1"], "item": ["i1", "i2"], "at": [SECONDS, SECONDS + 60]}
    columns |= {"price": ["9.90", "NaN"], "qty": ["1", "1"], "action": ["view", "view"], "note": ["", ""]}
    parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    files = {f"{DAY}.jsonl": json_file(), f"{DAY}.csv": csv_file(), f"{DAY}.parquet": parquet_file()}
    others = {name: told[0] for name, told in (*refused().items(), *refused_lines().items())}
    others |= {name: told[0] for name, told in (*accepted().items(), *accepted_lines().items())}
    for name, content in (files | others).items():
        (folder / name).write_bytes(content)
