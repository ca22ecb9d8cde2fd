"""Rules about heads: what the gateway takes, what it refuses, with which status. `tests/net` has each grammar whole."""

import pytest

from tests.forward.wire import (
    END,
    GatewaySettings,
    answer,
    forwarding,
    get,
    refuse_request,
    refuse_response,
    relay_heads,
    status_of,
    values_of,
)

NOTHING = b"Content-Length: 0"


async def serve_request(request: bytes, settings: GatewaySettings | None = None) -> bytes:
    """Return the head that the upstream got for a request, which must be served."""
    head, got = await relay_heads(request, answer(NOTHING), settings=settings or GatewaySettings())
    assert status_of(got) == 200
    return head


async def serve_response(response: bytes) -> bytes:
    """Return what the client got for a response, which must be served."""
    return (await relay_heads(get(), response))[1]


@pytest.mark.parametrize("octet", [0x80, 0xFF])
async def test_octets_beyond_ascii_survive_in_values(octet: int) -> None:
    """Row 1, heads. Fails where a value is decoded as ASCII or UTF-8 on its way."""
    value = b"a%cb" % octet
    assert values_of(await serve_request(get(b"X-A: " + value)), b"x-a") == [value]
    assert values_of(await serve_response(answer(NOTHING, b"X-A: " + value)), b"x-a") == [value]


@pytest.mark.parametrize("line", [b"X-A: a\rb", b"X: y\r\n\rTransfer-Encoding: chunked"])
async def test_a_bare_cr_in_a_head_is_refused(line: bytes) -> None:
    """Rows 3 and 4, attack llhttp CVE-2022-32213. Fails where CR is sent on, white space, or the end of a line."""
    assert await refuse_request(get(line)) == 400
    assert await refuse_response(answer(NOTHING, line)) == 502
    assert await refuse_response(answer(NOTHING, status=b"200 " + line)) == 502


@pytest.mark.parametrize("blank", [b" ", b"\t", b" X-A: 1"])
async def test_a_blank_line_after_the_start_line_is_refused(blank: bytes) -> None:
    """Row 6. Fails where the line is skipped: a field to some and none to others."""
    assert await refuse_request(b"GET / HTTP/1.1\r\n" + blank + b"\r\nHost: x\r\n\r\n") == 400
    assert await refuse_response(b"HTTP/1.1 200 OK\r\n" + blank + b"\r\nContent-Length: 0\r\n\r\n") == 502


async def test_octets_after_a_request_that_are_no_request_get_a_400_that_says_why_its_body_ended() -> None:
    """Fails where only the origin explains it: a person types to the gateway as well."""
    _, got = await relay_heads(get() + b"hello\r\n", answer(NOTHING))
    assert status_of(got) == 200
    assert b'expected a request, got "hello"; a request has a body only if its head says' in got


@pytest.mark.parametrize("octets", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"SSH-2.0-OpenSSH_9.6\r\n"])
async def test_octets_that_are_no_http_get_400_at_once(octets: bytes) -> None:
    """Row 7. Fails where the gateway waits for an end of line, or closes without a word."""
    async with forwarding() as gateway, gateway.connect(octets) as client:
        assert status_of(await client.read_all()) == 400
        assert not gateway.is_asked()


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_the_gateway_speaks_its_own_version(version: bytes) -> None:
    """Row 8. Fails where the status-line or request-line of the other side is sent on as it came."""
    got = await serve_response(answer(NOTHING, version=version))
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (await serve_request(get(version=version))).startswith(b"GET / HTTP/1.1\r\n")


async def test_http_1_9_is_handled_as_1_1() -> None:
    """Row 9. Fails where the minor version is compared, not read: the chunked body would be refused."""
    async with forwarding() as gateway:
        head, got = await gateway.relay(
            get(version=b"1.9"), answer(b"Transfer-Encoding: chunked", version=b"1.9") + END
        )
    assert head.startswith(b"GET / HTTP/1.1\r\n")
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert got.endswith(b"\r\n\r\n" + END)


@pytest.mark.parametrize("version", [b"2.0", b"0.9"])
async def test_another_major_version_is_answered_505(version: bytes) -> None:
    """Row 9, attack H2 downgrade. Fails where h11 judges: it lets 2.0 and 9.9 through."""
    assert await refuse_request(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505
    assert await refuse_request(get(version=version)) == 505
    assert await refuse_response(answer(NOTHING, version=version)) == 502


@pytest.mark.parametrize("octets, status", [(8000, 200), (16384, 200), (16385, 414)])
async def test_a_request_line_of_8000_octets_works_and_one_over_the_limit_gets_414(octets: int, status: int) -> None:
    """Row 10. Fails where the limit of h11 (16 KiB for all of the head) or none at all is in force."""
    request = get(target=b"/" + (octets - len(b"GET / HTTP/1.1\r\n")) * b"a")
    if status == 200:
        assert (await serve_request(request)).startswith(b"GET /aaaa")
    else:
        assert await refuse_request(request) == status


@pytest.mark.parametrize("octets, status", [(32, 200), (33, 501)])
async def test_a_method_longer_than_any_gets_501(octets: int, status: int) -> None:
    """Row 11. Fails where an endless method is read until the head is full, and called a 400 or 431."""
    request = get(method=octets * b"A")
    if status == 200:
        assert (await serve_request(request)).startswith(octets * b"A" + b" / ")
    else:
        assert await refuse_request(request) == status


@pytest.mark.parametrize("line", [b"GET /a b HTTP/1.1", b"GET /"])
async def test_a_broken_request_line_gets_400_and_no_repair(line: bytes) -> None:
    """Row 12, fault 22. Fails where a request-line is split at white space and put together again."""
    assert await refuse_request(line + b"\r\nHost: x\r\n\r\n") == 400


@pytest.mark.parametrize("lines", [[], [b"Host: a", b"Host: a"], [b"Host: a, b"]])
async def test_no_host_two_hosts_or_a_bad_one_get_400(lines: list[bytes]) -> None:
    """Row 13. Fails where h11 judges Host: it does not look at the value."""
    assert await refuse_request(b"\r\n".join((b"GET / HTTP/1.1", *lines, b"", b""))) == 400


async def test_an_absolute_target_replaces_host() -> None:
    """Row 14. Fails where the Host line is believed beside an absolute-form target, or the target is sent on whole."""
    head = await serve_request(get(target=b"http://real:81/p?q"), GatewaySettings(preserve_host=True))
    assert head.startswith(b"GET /p?q HTTP/1.1\r\n")
    assert values_of(head, b"host") == [b"real:81"]


@pytest.mark.parametrize(
    "settings, host", [(GatewaySettings(), b"127.0.0.1:"), (GatewaySettings(preserve_host=True), b"x")]
)
async def test_host_is_the_upstreams_unless_the_clients_is_preserved(settings: GatewaySettings, host: bytes) -> None:
    [got] = values_of(await serve_request(get(), settings), b"host")
    assert got.startswith(host)


@pytest.mark.parametrize("line", [b"HTTP/1.1 200 ", b"HTTP/1.1 200"])
async def test_a_status_without_a_reason_keeps_its_space(line: bytes) -> None:
    """Row 15. Fails where an empty reason takes its SP with it, or where one is invented."""
    assert (await serve_response(line + b"\r\nContent-Length: 0\r\n\r\n")).startswith(b"HTTP/1.1 200 \r\n")


@pytest.mark.parametrize("line", [b"Transfer-Encoding : chunked", b"no colon"])
async def test_a_blank_before_the_colon_is_refused(line: bytes) -> None:
    """Row 16, attack llhttp CVE-2021-22959. Fails where the name is trimmed: the field frames for one hop only."""
    assert await refuse_request(get(line)) == 400
    assert await refuse_response(answer(line)) == 502


async def test_a_folded_line_is_refused() -> None:
    """Rows 17 and 18, fault 23. Fails where h11 joins the lines, or where they are sent on, as by HAProxy 2.6."""
    lines = (b"Transfer-Encoding:", b" chunked")
    assert await refuse_request(get(*lines)) == 400
    assert await refuse_response(answer(*lines)) == 502


@pytest.mark.parametrize("octet", [0x00, 0x7F])
async def test_a_control_octet_in_a_value_is_refused(octet: int) -> None:
    """Row 61. Fails where h11 judges values: it lets 0x01 to 0x08, 0x0E to 0x1F and DEL through."""
    assert await refuse_request(get(b"X-A: a%cb" % octet)) == 400
    assert await refuse_response(answer(NOTHING, b"X-A: a%cb" % octet)) == 502


@pytest.mark.parametrize("octets, status", [(65536, 200), (65537, 431)])
async def test_a_head_at_the_limit_is_served_and_one_octet_more_gets_431(octets: int, status: int) -> None:
    """Row 62, fault 13. Fails where only incomplete heads are counted: h11 takes it all in one read."""
    lines = 7 * [b"X-A: " + 9000 * b"a"]
    rest = octets - len(get(*lines, b"X-B: "))
    request = get(*lines, b"X-B: " + rest * b"b")
    if status == 200:
        assert values_of(await serve_request(request), b"x-b") == [rest * b"b"]
    else:
        assert await refuse_request(request) == status
        assert await refuse_response(answer(NOTHING, *lines, b"X-B: " + (rest + 100) * b"b")) == 502


async def test_a_bare_lf_in_a_head_is_refused() -> None:
    """Row 2, heads: a gateway refuses what an origin may answer. Fails where h11's leniency is passed on."""
    assert await refuse_request(get().replace(b"\r\n", b"\n")) == 400
    assert await refuse_response(answer(NOTHING).replace(b"\r\n", b"\n")) == 502
