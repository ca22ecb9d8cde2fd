"""Every bad parameter gets a 400 of one line that names it and says what is expected."""

import pytest

from chunkwire.origin.settings import OriginSettings
from chunkwire.server.query import Query
from chunkwire.server.refusal import Refusal
from chunkwire.wire.limits import DEFAULT_LIMITS
from tests.server.peer import body_of, fetch, serving, status_of

REFUSED = {
    "/generate?n=-1": "n: expected a whole number from 0 to 1000000, got '-1'",
    "/generate?n=": "n: expected a whole number from 0 to 1000000, got ''",
    "/generate?n=1000001": "n: expected a whole number from 0 to 1000000, got '1000001'",
    "/generate?n=%D9%A3": "n: expected a whole number from 0 to 1000000, got '٣'",
    "/generate?n=1&n=2": "n: expected once, got 2 times",
    "/generate?interval=abc": "interval: expected a duration like 100ms, 1.5s or 2 (seconds), got 'abc'",
    "/generate?interval=2h": "interval: expected a duration of at most 3600s, got '2h'",
    "/generate?n=1000&interval=1m": "interval: expected n x interval of at most 3600s, got '60000s'",
    "/generate?count=5": "count: not a parameter of /generate, which has interval, n, nonce",
    "/stream/0": "n: expected a whole number from 1 to 1000000, got '0'",
    "/stream/x": "n: expected a whole number from 1 to 1000000, got 'x'",
    "/stream-bytes/1e9": "n: expected a whole number from 0 to 1073741824, got '1e9'",
    "/stream-bytes/9?chunk_size=0": "chunk_size: expected a whole number from 1 to 16777216, got '0'",
    "/stream-bytes/9?seed=x": "seed: expected a whole number from 0 to 1000000000000000000, got 'x'",
    "/stream-bytes/9000000?chunk_size=1": "chunk_size: expected at most 1000000 chunks in all, got 9000000",
    "/drip?numbytes=0": "numbytes: expected a whole number from 1 to 1000000, got '0'",
    "/drip?duration=x": "duration: expected a duration like 100ms, 1.5s or 2 (seconds), got 'x'",
    "/drip?delay=x": "delay: expected a duration like 100ms, 1.5s or 2 (seconds), got 'x'",
    "/drip?delay=40m&duration=40m": "duration: expected duration + delay of at most 3600s, got '4800s'",
    "/drip?code=99": "code: expected a whole number from 200 to 599, got '99'",
    "/drip?code=204": "code: expected a status whose response has a body, got '204'",
    "/frames?plan=": "plan: expected SIZE[:EXT]@MS,SIZE[:EXT]@MS,…, got ''",
    "/frames?plan=5": "plan: expected SIZE[:EXT]@MS,SIZE[:EXT]@MS,…, got '5'",
    "/frames?plan=5@0,6": "plan: expected SIZE[:EXT]@MS,SIZE[:EXT]@MS,…, got '6'",
    "/frames?plan=5@0,": "plan: expected a step after the last comma, got '5@0,'",
    "/frames?plan=5@9,5@8": "plan: expected moments that do not go back (the step before is at 9), got '5@8'",
    "/frames?plan=0@0,5@8": "plan: expected nothing after the last-chunk (size 0), got '5@8'",
    "/frames?plan=5@9999999": "plan: expected moments within 3600s, got '5@9999999'",
    "/frames?plan=99999999@0": "plan: expected chunks of at most 16777216 octets, got '99999999@0'",
    "/frames?plan=5:a%20b@0": "plan: expected a chunk-ext such as ;name=value, got \";a b\", in '5:a b@0'",
    "/frames?plan=5@0&trailer=X:1": "trailer: expected a plan with a last-chunk (0@MS), got '5@0'",
    "/frames?trailer=X": "trailer: expected NAME:VALUE, got 'X'",
    "/frames?trailer=Content-Length:1": "trailer: expected a field that may be a trailer (RFC 9110 §6.5.1)",
    "/frames?status=204": "status: expected a status whose response has a body",
    "/frames?status=199": "status: expected a whole number from 200 to 599",
    "/frames?header=nothing": "header: expected NAME:VALUE",
    "/frames?header=a+b:c": "header: expected NAME:VALUE",
    "/frames?header=A:b%0d%0aC:d": "header: expected a value without control octets",
    "/frames?header=Content-Length:3": "header: expected a field that does not frame",
    "/frames?octets=a&plan=5@0": "octets: expected no plan beside it",
    "/frames?octets=a&octets=b": "octets: expected once",
    "/sse?count=0": "count: expected a whole number from 1",
    "/sse?duration=soon": "duration: expected a duration",
    "/sse?duration=1h&delay=1s": "duration: expected duration + delay of at most 3600s",
    "/sse?cut=11": "cut: expected a whole number from 0 to 10",
    "/sse?heartbeat=1us&duration=5s": "heartbeat: expected at most 1000000 chunks in all",
    "/sse?n=5": "n: not a parameter of /sse",
    "/trailers?Content-Length=1": "Content-Length: expected a field that may be a trailer (RFC 9110 §6.5.1)",
    "/trailers?Transfer_Encoding=1": "Transfer_Encoding: expected a field that may be a trailer",
    "/trailers?a%20b=1": 'a b: expected a field-name in trailers, got "a b"',
    "/trailers?X=a%0d%0aSet-Cookie:%20b": 'X: expected a field-value in trailer "X"',
    "/probe?n=x": "n: expected a whole number from 0 to 1000000, got 'x'",
    "/probe?size=2000000": "size: expected a whole number from 0 to 1048576, got '2000000'",
    "/probe?n=100000&size=20000&interval=0": "size: expected n x size of at most 1073741824 octets, got '20000'",
    "/probe?nonce=a%20b": "nonce: expected 1 to 64 letters, digits, or ._~-, got 'a b'",
    "/fault/cut?at=7": "at: expected a whole number from 0 to 6, got '7'",
    "/fault/cut?n=x": "n: expected a whole number from 0 to 1000000, got 'x'",
    "/fault/stall?duration=x": "duration: expected a duration like 100ms, 1.5s or 2 (seconds), got 'x'",
    "/journal?since=1": "since: not a parameter of /journal, which has nonce",
    "/?x=1": "x: not a parameter of /, which has nonce",
}


@pytest.mark.parametrize("target", REFUSED)
async def test_a_bad_parameter_is_named_in_one_line(target: str) -> None:
    answer = await fetch(target)
    assert status_of(answer) == 400
    text = body_of(answer).decode()
    assert text.startswith(REFUSED[target])
    assert text.count("\n") == 1
    assert text.endswith("\n")


async def test_the_caps_are_settings() -> None:
    async with serving(settings=OriginSettings(max_chunks=3, max_octets=10, max_duration=1.0)) as running:
        assert status_of(await running.get("/generate?n=3&interval=0")) == 200
        assert status_of(await running.get("/generate?n=4&interval=0")) == 400
        assert status_of(await running.get("/frames?plan=10@0")) == 200
        assert status_of(await running.get("/frames?plan=11@0")) == 400
        assert status_of(await running.get("/frames?plan=1@0,1@1,1@2,0@3")) == 400


@pytest.mark.parametrize("target, parameter", [("/trailers?", "X-{}="), ("/frames?plan=0@0&", "trailer=X-{}:")])
async def test_more_trailers_than_a_body_may_have_are_refused(target: str, parameter: str) -> None:
    parameters = [parameter.format(number) for number in range(DEFAULT_LIMITS.max_trailer_fields + 1)]
    async with serving() as running:
        assert status_of(await running.get(target + "&".join(parameters[:-1]))) == 200
        answer = await running.get(target + "&".join(parameters))
    assert (status_of(answer), body_of(answer)) == (400, b"expected at most 64 trailers, got 65\n")


def test_more_parameters_than_the_limit_are_refused() -> None:
    assert len(Query(b"&".join(256 * [b"a=1"])).pairs) == 256
    with pytest.raises(Refusal, match="at most 256 parameters"):
        Query(b"&".join(257 * [b"a=1"]))
    assert Query(300 * b"&").pairs == ()


def test_octets_that_are_not_encoded_are_utf_8_too() -> None:
    """Fails where the form that `curl -d q=Grüße` sends is taken for ISO 8859-1."""
    query = Query("q=Grüße&n=%C3%BC".encode())
    assert (query.text("q"), query.text("n"), query.octets("q")) == ("Grüße", "ü", "Grüße".encode())


def test_a_refusal_is_one_line_whatever_name_it_quotes() -> None:
    with pytest.raises(Refusal) as caught:
        Query(b"a%0Ab=1").refuse_unknown(frozenset(), "/x")
    assert str(caught.value) == r"a\nb: not a parameter of /x, which has no parameters"
