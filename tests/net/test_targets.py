"""Request targets and Host: which forms are taken, and what they come to (RFC 9112 §3.2)."""

import re

import pytest

from chunkwire.net.heads import HeadError, Request
from chunkwire.net.targets import normalize_target
from tests.net.peer import accept_request, get, receive_request, refuse_request


@pytest.mark.parametrize(
    "sent, target, host",
    [
        (b"GET http://y HTTP/1.1", b"/", b"y"),
        (b"GET http://y/ HTTP/1.1", b"/", b"y"),
        (b"GET http://y?q HTTP/1.1", b"/?q", b"y"),
        (b"GET HTTP://Y:80/a//b?c=http://z/ HTTP/1.1", b"/a//b?c=http://z/", b"Y:80"),
        (b"GET http://y:/a HTTP/1.1", b"/a", b"y:"),
        (b"GET http://%c3%a9.y:65535?[] HTTP/1.1", b"/?[]", b"%c3%a9.y:65535"),
        (b"GET http://[::1]:8080/a HTTP/1.1", b"/a", b"[::1]:8080"),
        (b"OPTIONS http://y:81 HTTP/1.1", b"*", b"y:81"),
        (b"OPTIONS http://y:81/ HTTP/1.1", b"/", b"y:81"),
    ],
)
async def test_an_absolute_form_target_comes_to_an_origin_form_and_its_host(
    sent: bytes, target: bytes, host: bytes
) -> None:
    request = await accept_request(get(start=sent, host=b"Host: x"))
    assert (request.target, request.get(b"host")) == (target, host)


@pytest.mark.parametrize(
    "target",
    [
        b"http://a b/",
        *b"http:// http:///a http://:80/ http://u@h/ ftp://y/ y y:80 * http://a%zz/ http://[::::1]/ http://[1.2.3.4]/".split(),
        *b"http://y:65536/ http://[fe80::1%25e]/ ?a http://u:p@h/ http://h@/ http:/h/a http:h HTTPS://:1/ http://a,b/".split(),
    ],
)
async def test_another_form_of_target_is_refused(target: bytes) -> None:
    rule = "bad-start-line" if b" " in target else "bad-target"
    assert await refuse_request(get(start=b"GET %b HTTP/1.1" % target)) == (400, rule)


@pytest.mark.parametrize("target", [b"/", b"//", b"//y/a", b"/?", b"/a?b=http://c"])
async def test_a_path_stays_as_it_is(target: bytes) -> None:
    request = await accept_request(get(start=b"GET %b HTTP/1.1" % target))
    assert (request.target, request.get(b"host")) == (target, b"x")


async def test_an_absolute_form_target_gives_an_http_1_0_request_its_host() -> None:
    request = await accept_request(get(start=b"GET http://y/a HTTP/1.0", host=None))
    assert (request.target, request.fields) == (b"/a", ((b"Host", b"y"),))


async def test_an_absolute_form_target_does_not_replace_a_missing_or_broken_host() -> None:
    assert await refuse_request(get(start=b"GET http://y/a HTTP/1.1", host=None)) == (400, "no-host")
    assert await refuse_request(get(start=b"GET http://y/a HTTP/1.1", host=b"Host: a b")) == (400, "bad-host")


async def test_an_asterisk_is_a_target_for_options_only() -> None:
    assert (await accept_request(get(start=b"OPTIONS * HTTP/1.1"))).target == b"*"
    assert await refuse_request(get(start=b"GET * HTTP/1.1")) == (400, "bad-target")


async def test_http_1_1_needs_one_host_and_http_1_0_none() -> None:
    assert await refuse_request(get(host=None)) == (400, "no-host")
    assert await refuse_request(get(b"Host: x")) == (400, "two-hosts")
    assert await refuse_request(get(b"hOST: y")) == (400, "two-hosts")
    assert (await accept_request(get(start=b"GET / HTTP/1.0", host=None))).fields == ()
    assert await refuse_request(get(b"Host: x", start=b"GET / HTTP/1.0")) == (400, "two-hosts")
    assert await refuse_request(get(start=b"GET / HTTP/1.9", host=None)) == (400, "no-host")


async def test_the_refusal_of_a_missing_host_says_what_to_type() -> None:
    with pytest.raises(HeadError, match=re.escape("HTTP/1.1 needs a Host line: `Host: localhost`")):
        await receive_request(get(host=None))


@pytest.mark.parametrize(
    "line",
    [
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b" GET / HTTP/1.1",
        b"GET\t/\tHTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET / http/1.1",
        b"GET / HTTP/1",
        b"GET / HTTP/11",
        b"GET / HTTP/1.10",
        b"GET /\x00 HTTP/1.1",
        b"G@T / HTTP/1.1",
        b"GET /",
        b"GET",
        b"HTTP/1.1 200 OK",
    ],
)
async def test_a_request_line_out_of_the_grammar_is_refused(line: bytes) -> None:
    assert await refuse_request(get(start=line)) == (400, "bad-start-line")


@pytest.mark.parametrize(
    "line", [b"GET / HTTP/1.1", b"get / HTTP/1.1", b"M-SEARCH /%20;a=b?c HTTP/1.1", b"! / HTTP/1.0"]
)
async def test_a_request_line_within_the_grammar_is_taken(line: bytes) -> None:
    assert (await accept_request(get(start=line))).start_line == line


@pytest.mark.parametrize(
    "line, rule",
    [
        (b"A : 1", "blank-before-colon"),
        (b"A\t: 1", "blank-before-colon"),
        (b"A", "no-colon"),
        (b": 1", "bad-field-name"),
        (b"A@: 1", "bad-field-name"),
        (b"A\xe9: 1", "bad-field-name"),
        (b"A\x00: 1", "bad-field-name"),
        (b"A: 1\rB: 2", "bare-cr"),
        (b"A: 1\r", "bare-cr"),
        (b"A: 1\r\r", "bare-cr"),
        (b"A\r: 1", "bare-cr"),
    ],
)
async def test_a_field_line_out_of_the_grammar_is_refused(line: bytes, rule: str) -> None:
    assert await refuse_request(get(line)) == (400, rule)
    assert await refuse_request(get(b"B: 2", line, b"C: 3")) == (400, rule)


async def test_names_keep_their_case_values_lose_the_blanks_around_them_and_the_order_stays() -> None:
    request = await accept_request(get(b"b:1", b"A: \t2 \t", b"B:", b"a:3"))
    assert request.fields == ((b"Host", b"x"), (b"b", b"1"), (b"A", b"2"), (b"B", b""), (b"a", b"3"))
    assert (request.get(b"a"), request.get(b"b"), request.get(b"c")) == (b"2, 3", b"1, ", None)


async def test_tokens_of_a_list_are_found_in_any_case_over_several_lines() -> None:
    request = await accept_request(get(b"Connection: Keep-Alive ,, close", b"connection: TE"))
    assert request.tokens(b"connection") == [b"keep-alive", b"close", b"te"]
    assert request.has_token(b"connection", b"te")
    assert not request.has_token(b"connection", b"keep")
    assert not request.keeps_alive


@pytest.mark.parametrize("sent", [b"https://y/a", b"HTTPS://y", b"https://y:80/"])
async def test_a_target_of_the_other_scheme_is_misdirected(sent: bytes) -> None:
    start = b"GET %b HTTP/1.1" % sent
    assert await refuse_request(get(start=start)) == (421, "misdirected")
    over_tls = normalize_target(Request(b"GET", sent, fields=((b"Host", b"x"),)), scheme=b"https")
    assert over_tls.target == (b"/a" if sent.endswith(b"a") else b"/")
    with pytest.raises(HeadError, match="expected an https target") as caught:
        normalize_target(Request(b"GET", sent.lower().replace(b"s:", b":"), fields=((b"Host", b"x"),)), scheme=b"https")
    assert caught.value.status == 421


HOSTS = [
    *(b"", *b"a a:80 a: a:0 a:65535 a:0000080 A.B-c_~!$&'()*+;= %41%7e 1.2.3.4 999.1".split()),
    *b"[::] [::1]:8080 [1:2:3:4:5:6:7:8] [1:2:3:4:5:6:7::] [::ffff:1.2.3.4] [ABCD::] [v1.a] [vF.a:b!]:1 [V0.~]".split(),
]
NO_HOSTS = [
    *b"a%zz a% a%4 a:65536 a:100000 a:b :80 : a:1:2 u@h u:p@h h/ a,b".split(),
    *b"[::::1] [1.2.3.4] [12345::] [1:2:3:4:5:6:7:8:9] [1:2:3:4:5:6:7] [1::2::3] [] [::1 [:1] [1:] ::1".split(),
    *b"[::1.2.3] [::1.2.3.256] [::01.2.3.4] [fe80::1%eth0] [fe80::1%25eth0] [::1]a a[::1]".split(),
    *b'[v.a] [v1.] [v1a] [vg.a] [v1.a,b] a" a\\b a<b a^ \xc3\xa9'.split(),
]


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_within_the_grammar_is_taken(host: bytes) -> None:
    assert (await accept_request(get(host=b"Host: " + host))).get(b"host") == host
    if host:
        request = await accept_request(get(start=b"GET http://%b/ HTTP/1.1" % host))
        assert request.get(b"host") == host


@pytest.mark.parametrize("host", NO_HOSTS)
async def test_a_host_out_of_the_grammar_is_refused(host: bytes) -> None:
    assert await refuse_request(get(host=b"Host: " + host)) == (400, "bad-host")
    if b"/" not in host:
        assert await refuse_request(get(start=b"GET http://%b/ HTTP/1.1" % host)) == (400, "bad-target")


@pytest.mark.parametrize("octet", sorted(b'"<>\\^`{|}#\x80\xff'))
@pytest.mark.parametrize("place", [b"/%c", b"/?%c", b"/%%41%c", b"http://y/%c"])
async def test_an_octet_that_no_target_has_is_refused_and_its_escape_is_not(octet: int, place: bytes) -> None:
    with pytest.raises(HeadError, match=f"expected %{octet:02X} in the target") as caught:
        await receive_request(get(start=b"GET %b HTTP/1.1" % (place % octet)))
    assert (caught.value.status, caught.value.rule) == (400, "bad-target")
    escaped = (place % ord("X")).replace(b"X", b"%%%02X" % octet)
    assert (await accept_request(get(start=b"GET %b HTTP/1.1" % escaped))).target.startswith(b"/")


@pytest.mark.parametrize("target", [b"/%", b"/%4", b"/%zz", b"/a?%", b"/a?b=%4g", b"/%%41", b"http://y/%"])
async def test_a_broken_percent_is_refused(target: bytes) -> None:
    with pytest.raises(HeadError, match="two hex digits after %") as caught:
        await receive_request(get(start=b"GET %b HTTP/1.1" % target))
    assert caught.value.rule == "bad-target"


async def test_brackets_are_taken_in_a_query_and_not_in_a_path() -> None:
    assert (await accept_request(get(start=b"GET /?a[]=1&b[c]=2 HTTP/1.1"))).target == b"/?a[]=1&b[c]=2"
    assert await refuse_request(get(start=b"GET /a[1] HTTP/1.1")) == (400, "bad-target")


@pytest.mark.parametrize("target", [b"y:443", b"[::1]:443"])
async def test_connect_names_an_authority(target: bytes) -> None:
    assert (await accept_request(get(start=b"CONNECT %b HTTP/1.1" % target))).target == target
    assert await refuse_request(get(start=b"CONNECT /%b HTTP/1.1" % target)) == (400, "bad-target")
