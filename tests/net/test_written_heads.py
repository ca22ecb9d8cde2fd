"""Heads as they leave: made from fields, never from octets that came, and stating the framing that was decided."""

import re

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from chunkwire.net.ends import ClientConnection, ServerConnection
from chunkwire.net.heads import Field, HeadError, Request, Response
from chunkwire.net.seam import judge_request, judge_response
from chunkwire.net.writer import Asked, write_request, write_response
from chunkwire.wire.abnf import FIELD_VALUE
from chunkwire.wire.errors import LocalError
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS
from tests.net.peer import GET, Pieces, feeding, get, ok, read_to_end, tcp_pair
from tests.patience import PATIENCE

CHUNKED: Field = (b"Transfer-Encoding", b"chunked")
LENGTH: Field = (b"Content-Length", b"5")


async def asked(head: bytes = get()) -> ServerConnection:
    """Return a server's end that has received this request."""
    server = ServerConnection(Pieces([head]), bare_lf=True)
    assert await server.receive_request() is not None
    return server


def answer(*fields: Field, status: int = 200) -> Response:
    return Response(status, b"OK", fields=fields)


async def test_names_keep_their_case_and_same_names_their_order() -> None:
    fields = ((b"sEt-cookie", b"b"), (b"X", b""), (b"Set-Cookie", b"a"), LENGTH)
    octets = (await asked()).head_octets(answer(*fields))
    assert octets == b"HTTP/1.1 200 OK\r\nsEt-cookie: b\r\nX: \r\nSet-Cookie: a\r\nContent-Length: 5\r\n\r\n"


async def test_a_status_line_without_reason_ends_in_a_space() -> None:
    octets = (await asked()).head_octets(Response(200, fields=(LENGTH,)))
    assert octets.startswith(b"HTTP/1.1 200 \r\n")


async def test_what_came_folded_or_with_lf_alone_leaves_with_crlf() -> None:
    async with feeding(b"GET / HTTP/1.1\nHost: x\nA:  1 \n\n") as stream:
        request = await ServerConnection(stream, bare_lf=True).receive_request()
    assert request is not None
    near, far = await tcp_pair()
    async with far:
        await ClientConnection(near).send_request(request)
        await near.aclose()
        assert await read_to_end(far) == b"GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\n\r\n"


@pytest.mark.parametrize("others", [(), ((b"A", b"1"),), ((b"A", b"1"), (b"B", b"2"))], ids=len)
def test_host_is_the_first_line_of_a_request_wherever_it_was(others: tuple[Field, ...]) -> None:
    head = write_request(Request(b"GET", b"/", fields=(*others, (b"Host", b"x"))))
    assert head == write_request(Request(b"GET", b"/", fields=((b"Host", b"x"), *others)))
    assert head.startswith(b"GET / HTTP/1.1\r\nHost: x\r\n")


async def test_a_chunked_head_says_chunked_and_keeps_the_connection() -> None:
    assert (await asked()).head_octets(answer(CHUNKED)) == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_body_delimited_by_close_gets_no_invented_framing_and_says_close() -> None:
    octets = (await asked()).head_octets(answer((b"A", b"1")))
    assert octets == b"HTTP/1.1 200 OK\r\nA: 1\r\nConnection: close\r\n\r\n"


async def test_a_request_that_closes_is_answered_with_close() -> None:
    server = await asked(get(b"Connection: close"))
    assert b"\r\nConnection: close\r\n" in server.head_octets(answer(LENGTH))
    server = await asked(get(start=b"GET / HTTP/1.0", host=None))
    assert b"\r\nConnection: close\r\n" in server.head_octets(answer(LENGTH))


@pytest.mark.parametrize("fields", [(), (LENGTH,), (CHUNKED,)])
async def test_a_head_answer_states_the_framing_it_was_given_and_no_other(fields: tuple[Field, ...]) -> None:
    server = await asked(get(start=b"HEAD / HTTP/1.1"))
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    assert server.head_octets(answer(*fields), b"HEAD") == b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n"


async def test_a_field_that_quotes_a_coding_survives_a_head_answer() -> None:
    server = await asked(get(start=b"HEAD / HTTP/1.1"))
    quoting = (b"X", b"Transfer-Encoding: chunked")
    assert server.head_octets(answer(quoting), b"HEAD").endswith(b"\r\nX: Transfer-Encoding: chunked\r\n\r\n")


async def test_a_304_keeps_the_length_of_what_it_stands_for() -> None:
    assert (await asked()).head_octets(answer(LENGTH, status=304)) == b"HTTP/1.1 304 OK\r\nContent-Length: 5\r\n\r\n"
    assert (await asked()).head_octets(answer(status=304)) == b"HTTP/1.1 304 OK\r\n\r\n"


async def test_a_204_has_no_framing_field() -> None:
    assert (await asked()).head_octets(answer(status=204)) == b"HTTP/1.1 204 OK\r\n\r\n"
    for field in (LENGTH, CHUNKED):
        with pytest.raises(LocalError, match="204"):
            (await asked()).head_octets(answer(field, status=204))


async def test_no_coding_goes_to_an_http_1_0_client_or_in_answer_to_a_head_that_was_refused() -> None:
    old = await asked(get(start=b"GET / HTTP/1.0", host=None))
    refused = ServerConnection(Pieces([b"\x00"]), bare_lf=True)
    with pytest.raises(HeadError):
        await refused.receive_request()
    for server in (old, refused):
        with pytest.raises(LocalError, match=r"HTTP/1\.1"):
            server.head_octets(answer(CHUNKED))
        assert server.head_octets(answer(LENGTH)).startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n")


@pytest.mark.parametrize(
    "fields", [(LENGTH, CHUNKED), (LENGTH, LENGTH), (CHUNKED, CHUNKED), ((b"Transfer-Encoding", b"gzip, chunked"),)]
)
async def test_a_head_with_two_framings_cannot_be_written(fields: tuple[Field, ...]) -> None:
    with pytest.raises(LocalError):
        (await asked()).head_octets(answer(*fields))


@pytest.mark.parametrize(
    "field", [(b"A", b"1\r\nB: 2"), (b"A\r\nB", b"1"), (b"A", b"\x00"), (b"A b", b"1"), (b"", b"1")]
)
async def test_a_field_that_would_split_a_head_cannot_be_written(field: Field) -> None:
    with pytest.raises(LocalError):
        (await asked()).head_octets(answer(LENGTH, field))
    with pytest.raises(LocalError):
        await (await asked()).send_informational(103, (field,))
    with pytest.raises(LocalError):
        await ClientConnection(Pieces([])).send_request(Request(b"GET", b"/", fields=((b"Host", b"x"), field)))


@pytest.mark.parametrize(
    "field", [(b"A", b" 1"), (b"A", b"1\t"), (b"A: 0", b"1"), (b"A:", b"1"), (b"A", b"1\x7f"), (b"A\n", b"1")]
)
async def test_a_field_that_reads_back_as_another_cannot_be_written(field: Field) -> None:
    with pytest.raises(LocalError, match="expected a token as each field name"):
        (await asked()).head_octets(answer(LENGTH, field))


@pytest.mark.parametrize("field", [(b"A", b""), (b"A", b"1 \t2"), (b"!#$%&'*+-.^_`|~0", b": \xff")])
async def test_blanks_inside_a_value_and_every_octet_of_a_token_can_be_written(field: Field) -> None:
    assert b"\r\n%b: %b\r\n\r\n" % field in (await asked()).head_octets(answer(LENGTH, field))


@pytest.mark.parametrize("reason", [b"OK\r\nA: 1", b"\x00", b"\x7f"])
async def test_a_reason_that_would_split_a_head_cannot_be_written(reason: bytes) -> None:
    with pytest.raises(LocalError, match="reason"):
        (await asked()).head_octets(Response(200, reason, fields=(LENGTH,)))
    assert (
        (await asked())
        .head_octets(Response(299, b"\tSo \xff", fields=(LENGTH,)))
        .startswith(b"HTTP/1.1 299 \tSo \xff\r\n")
    )


@pytest.mark.parametrize(
    "method, target", [(b"GET", b"/a b"), (b"G T", b"/"), (b"", b"/"), (b"GET", b""), (b"GET", b"/\r\n")]
)
async def test_a_request_line_that_would_be_another_cannot_be_written(method: bytes, target: bytes) -> None:
    with pytest.raises(LocalError, match="METHOD TARGET"):
        await ClientConnection(Pieces([])).send_request(Request(method, target, fields=GET.fields))


@pytest.mark.parametrize("fields", [(), ((b"Host", b"a"), (b"hOST", b"a")), ((b"Host", b"a"), LENGTH, CHUNKED)])
async def test_a_request_without_one_host_or_with_two_framings_cannot_be_written(fields: tuple[Field, ...]) -> None:
    with pytest.raises(LocalError):
        await ClientConnection(Pieces([])).send_request(Request(b"POST", b"/", fields=fields))


async def test_a_status_is_written_as_what_it_is() -> None:
    for status in (199, 1000):
        with pytest.raises(LocalError, match="status"):
            (await asked()).head_octets(answer(LENGTH, status=status))
    for status in (99, 200):
        with pytest.raises(LocalError, match="1xx"):
            await (await asked()).send_informational(status)
    for field in (LENGTH, CHUNKED):
        with pytest.raises(LocalError, match="framing"):
            await (await asked()).send_informational(103, (field,))


async def test_close_is_added_to_other_connection_options() -> None:
    server = await asked(get(b"Connection: close"))
    head = server.head_octets(answer((b"Connection", b"Keep-Alive, Foo"), LENGTH, (b"connection", b"bar")))
    assert head.endswith(b"OK\r\nContent-Length: 5\r\nConnection: close, foo, bar\r\n\r\n")


_TOKENS = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=8).map(str.encode)
_VALUES = st.binary(max_size=12).filter(lambda octets: re.fullmatch(FIELD_VALUE, octets) is not None)


@given(st.lists(st.tuples(_TOKENS, _VALUES), max_size=8), _TOKENS)
def test_what_is_written_is_what_h11_and_our_rules_read(fields: list[Field], method: bytes) -> None:
    request = Request(method, b"/", fields=((b"Host", b"x"), *fields))
    assert judge_request(write_request(request), DEFAULT_HEAD_LIMITS, bare_lf=False, scheme=b"http") == request
    response = Response(200, b"OK", fields=(*fields, LENGTH))
    octets = write_response(response, Asked.by(request), method)
    assert judge_response(octets, DEFAULT_HEAD_LIMITS, method=method, may_switch=False) == response


async def test_a_1xx_goes_before_the_final_head() -> None:
    near, far = await tcp_pair()
    async with far:
        await far.send_all(get())
        server = ServerConnection(near, bare_lf=False)
        await server.receive_request()
        await server.send_informational(103, ((b"Link", b"</x>"),), b"Early Hints")
        await server.send_informational(100)
        await server.send_all(server.head_octets(answer(LENGTH)))
        await near.aclose()
        received = await read_to_end(far)
    early, go_on = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", b"HTTP/1.1 100 \r\n\r\n"
    assert received == early + go_on + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket")
SWITCHED = ok(*UPGRADE, start=b"HTTP/1.1 101 Switching Protocols")


async def test_a_101_is_sent_only_to_a_client_that_asked() -> None:
    fields = ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))
    await (await asked(get(*UPGRADE))).send_informational(101, fields)
    with pytest.raises(LocalError):
        await (await asked()).send_informational(101, fields)


async def test_a_101_is_taken_only_if_it_was_asked_for() -> None:
    asking = Request(b"GET", b"/", fields=(*GET.fields, (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")))
    client = ClientConnection(Pieces([SWITCHED + b"raw"]))
    await client.send_request(asking)
    assert (await client.receive_response()).status == 101
    assert bytes(client.leftover) == b"raw"
    client = ClientConnection(Pieces([SWITCHED]))
    await client.send_request(GET)
    with pytest.raises(HeadError):
        await client.receive_response()


async def test_a_connection_serves_one_exchange_after_another() -> None:
    near, far = await tcp_pair()
    async with near, far:
        server, client = ServerConnection(near, bare_lf=False), ClientConnection(far)
        for status in (200, 404):
            await client.send_request(GET)
            assert await server.receive_request() == GET
            await server.send_all(server.head_octets(answer(LENGTH, status=status)))
            await server.send_all(b"hello")
            with trio.fail_after(PATIENCE):
                assert (await client.receive_response()).status == status
            assert await client.receive_some() == b"hello"


async def test_host_goes_first_and_the_rest_in_order() -> None:
    near, far = await tcp_pair()
    async with far:
        await ClientConnection(near).send_request(
            Request(b"GET", b"/", fields=((b"a", b"1"), (b"hOST", b"x"), CHUNKED))
        )
        await near.aclose()
        received = await read_to_end(far)
    assert received == b"GET / HTTP/1.1\r\nhOST: x\r\na: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
