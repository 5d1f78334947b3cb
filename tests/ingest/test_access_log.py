"""Access logs: what lines become, and what is turned away."""

from ingest.shop import Read, sums, values


def test_a_log_line_matches_whole_or_is_turned_away(read: Read) -> None:
    start = "198.51.100.7 - - [03/Oct/2022:21:59:42 +0200] "
    lines = [
        start + r'"GET /p?id=1 HTTP/1.1" 200 12 "-" "UA \"x\" 1"',
        start + r'"GET /p" 200 12 "-" "UA \"x\" 1"',
        start + '"" 400 12 "-" "UA"',
        start + r'"\x16\x03\x01\x00" 400 12 "-" "UA"',
        start + '"GET /p?id=',
    ]
    got = read("access_log", *lines)
    assert got.problems() == [[], [], ["no_match"], ["no_match"], ["no_match"]]
    assert values(got, "visitor_id", "event_type", "event_at", "page_url")[:2] == [
        ('198.51.100.7 UA "x" 1', "page_view", "2022-10-03 19:59:42", "/p?id=1"),
        ('198.51.100.7 UA "x" 1', "page_view", "2022-10-03 19:59:42", "/p"),
    ]
    assert [(row.ordinal, row.record_text) for row in got.rows] == list(enumerate(lines))
    assert sums(got) == (5, 2, 3)
    assert got.rows[0].event_id != got.rows[1].event_id


def test_a_log_line_may_be_as_long_as_servers_take_it(read: Read) -> None:
    start, end = '198.51.100.7 - - [03/Oct/2022:21:59:42 +0200] "GET /p?q=', ' HTTP/1.1" 200 12 "-" "UA"'
    got = read("access_log", start + "a" * 100_000 + end, start + "b" * 100_000, start + r"\x" * 1_000 + end)
    assert got.problems() == [[], ["no_match"], []] and len(got.rows[0].query) == 100_000


def test_log_lines_of_every_kind_that_servers_write(read: Read) -> None:
    at = "[29/Feb/2024:00:30:00 +0100]"
    got = read(
        "access_log",
        files={
            "access.log": "\n".join(
                [
                    f'2001:db8::17 - alice {at} "POST /buy HTTP/2.0" 302 - "https://shop.example/\\"a\\"" "-"',
                    f'host.example - - {at} "GET /a.css?v=1 HTTP/1.1" 200 7 "-" "UA"',
                    f'198.51.100.7 - - {at} "GET /find?q=red+tea&utm_campaign=x%20y HTTP/1.0" 304 - "-" ""',
                    f'198.51.100.7 - - {at} "GET /gone HTTP/1.1" 404 7 "-" "UA"\r',
                    f'198.51.100.7 - - {at} "GET / HTTP/1.1" 200 7',
                    f'198.51.100.7 - - {at} "GET / HTTP/1.1" 200 7 "-" "UA" 0.003',
                    f'shop.example 198.51.100.7 - - {at} "GET / HTTP/1.1" 200 7 "-" "UA"',
                    f'198.51.100.7 - - {at} "-" 408 - "-" "-"',
                    '198.51.100.7 - - [29/Feb/2024:00:30] "GET / HTTP/1.1" 200 7 "-" "UA"',
                    '198.51.100.7 - - [30/Feb/2024:00:30:00 +0100] "GET / HTTP/1.1" 200 7 "-" "UA"',
                    f'198.51.100.7 - - {at} "GET / HTTP/1.1" 200 7 "-" "UA',
                    "",
                    "\x00\x01 garbage",
                ]
            )
        },
    )
    assert got.problems() == [[]] * 4 + [["no_match"]] * 5 + [["bad_event_at"], ["no_match"], ["empty_line"], ["no_match"]]
    assert values(got, "event_type", "visitor_id", "user_id", "user_id_kind", "event_at", "query", "campaign_id")[:4] == [
        ("engagement", "2001:db8::17 -", "alice", "account", "2024-02-28 23:30:00", None, None),
        ("engagement", "host.example UA", "host.example UA", "visitor", "2024-02-28 23:30:00", None, None),
        ("page_view", "198.51.100.7 ", "198.51.100.7 ", "visitor", "2024-02-28 23:30:00", "red tea", "x y"),
        ("engagement", "198.51.100.7 UA", "198.51.100.7 UA", "visitor", "2024-02-28 23:30:00", None, None),
    ]
    assert sums(got) == (13, 4, 9)
