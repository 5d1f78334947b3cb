"""Log lines: the whole line matches, or none of it does."""

SOURCE = r"""
name: shop
site_id: {constant: shop}
read:
  format: log
  regex: >-
    (?<ip>\S+) \S+ (?<user>\S+) \[(?<at>[^\]]+)\] "(?<verb>[A-Z]+) (?<url>\S+) HTTP/[\d.]+"
    (?<status>\d{3}) (?:\d+|-) "[^"]*" "(?<agent>(?:[^"\\]|\\.)*)"
landing_date: {name: '(\d{4}-\d{2}-\d{2})'}
columns:
  visitor_id: concat_ws(' ', ip, agent)
  account_id: nullif(user, '-')
  event_at: {value: at, format: "dd/MMM/yyyy:HH:mm:ss Z"}
  page_url: url
event_types: {constant: page_view}
ids: {key: [at, url]}
"""


def test_a_line_matches_as_a_whole_or_is_told(run, land):
    start = '198.51.100.7 - - [03/Oct/2022:21:59:42 +0200] "GET /p?id=1'
    good = start + r' HTTP/1.1" 200 12 "-" "UA \"x\" 1"'
    got = run(
        SOURCE,
        land(
            {
                "2024-03-01.log": "\n".join(
                    [good, good + " more", start + '" 200 12 "-" "UA"', r'- - - [x] "\x16\x03\x01\x00" 400 0 "-" "-"', start]
                )
            }
        ),
    )
    assert got.problems() == [[], ["no_match"], ["no_match"], ["no_match"], ["no_match"]]
    first = got.rows[0]
    assert (first.visitor_id, first.account_id, str(first.event_at), first.page_url) == (
        r"198.51.100.7 UA \"x\" 1",
        None,
        "2022-10-03 19:59:42",
        "/p?id=1",
    )
    assert first.unmapped == '{"status":"200","verb":"GET"}'
    assert (got.counts["records"], got.counts["mapped"], got.counts["rejected"]) == (5, 1, 4)
    assert got.files[0].unmapped_fields == {"status": 1, "verb": 1} and got.rows[1].unmapped is None


def test_groups_may_have_names_with_an_underscore_and_be_written_as_python_does(run, land):
    regex = "regex: '(?<event_time>\\d+) (?P<user>\\w+)'"
    source = SOURCE[: SOURCE.index("  regex:")] + f"  {regex}\n" + SOURCE[SOURCE.index("landing_date") :]
    columns = "columns: {visitor_id: user, event_at: {value: event_time, unit: seconds}}\n"
    source = source[: source.index("columns:")] + columns + "event_types: {constant: page_view}\nids: {key: [event_time]}\n"
    got = run(source, land({"2024-03-01.log": "1709254800 u1\n"}))
    assert [(row.visitor_id, str(row.event_at)) for row in got.rows] == [("u1", "2024-03-01 01:00:00")]
