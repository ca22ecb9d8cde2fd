"""Whatever a head says: it is taken or refused by name, and what is taken holds to grammars read in another way."""

import re
import socket
from urllib.parse import unquote_to_bytes

from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwire.net.framing import BodyKind, request_framing, response_framing
from chunkwire.net.heads import HeadError, find_head_end
from chunkwire.net.seam import judge_request, judge_response
from chunkwire.net.writer import write_request
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS
from tests.fuzz.conftest import fuzz

METHODS = [b"GET", b"HEAD", b"POST", b"OPTIONS", b"CONNECT", b"get"]
HOST_PARTS = b"a . : [ ] :: 1 ff 12345 % 41 %C3%A9 v1. @ , 80 [::1] 1.2.3.4".split()
TARGET_PARTS = [*b"/ / ? # { \\ < %41 % zz a http:// https:// * ;=".split(), b"\xc3\xa9", b'"']
CODINGS = [b"chunked", b"Chunked", b"gzip", b"identity", b",", b", ", b";q=1", b';a="b,c"', b" ", b"", b"x y"]
ENDS = [b"\r\n", b"\n", b"\r", b" \r\n", b"\0\n"]

hosts = st.one_of(
    st.sampled_from([b"x", b"[::1]:8080"]), st.lists(st.sampled_from(HOST_PARTS), max_size=5).map(b"".join)
)
paths = st.lists(st.sampled_from(TARGET_PARTS), max_size=5).map(b"".join)
codings = st.lists(st.sampled_from(CODINGS), max_size=4).map(b"".join)
lines = st.one_of(
    codings.map(lambda coding: b"Transfer-Encoding: " + coding),
    st.sampled_from([b"Host: x", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: \xff", b"X:", b" X", b"X"]),
)


@st.composite
def heads(draw: st.DrawFn, start: st.SearchStrategy[bytes]) -> bytes:
    """Return a head; its lines mostly end as its first one does, and mostly it has one Host."""
    usual, said = draw(st.sampled_from([b"\r\n", b"\n"])), [draw(start), *draw(st.lists(lines, max_size=3))]
    if draw(st.integers(0, 9)):
        said.insert(1, b"Host: " + draw(hosts))
    odd = draw(st.integers(0, 4 * len(said)))  # the line that ends in another way, if there is one
    ends = [draw(st.sampled_from(ENDS)) if number == odd else usual for number in range(len(said))]
    octets = b"".join(line + end for line, end in zip(said, ends, strict=True)) + usual + b"\r\n\r\n"
    return octets[: find_head_end(bytearray(octets), 0)]


targets = st.one_of(
    st.sampled_from([b"/", b"/%41?a[]=1", b"http://x"]),
    paths.map(lambda path: b"/" + path),
    st.builds(lambda host, path: b"http://%b/%b" % (host, path), hosts, paths),
    paths,
)
versions = st.sampled_from([b"1.1", b"1.0"])
request_lines = st.builds(lambda *parts: b"%b %b HTTP/%b" % parts, st.sampled_from(METHODS), targets, versions)
statuses = st.sampled_from([b"200", b"204", b"304", b"103", b"101"])
status_lines = statuses.map(lambda status: b"HTTP/1.1 %b X" % status)


def check_host(host: bytes) -> None:
    """Hold a host that was taken to what inet_pton and a loop over its octets say."""
    literal = re.fullmatch(rb"\[([^\]v]*)\](:\d*)?", host)
    if literal:
        socket.inet_pton(socket.AF_INET6, literal[1].decode("ascii"))
    assert not set(host) & set(b' \t,/?#@"<>\\^`{|}')
    check_escapes(host)
    port = re.search(rb":(\d+)$", host.rpartition(b"]")[2])
    assert port is None or int(port[1]) < 65536


def check_escapes(octets: bytes) -> None:
    """Each percent sign encodes an octet, and there is none beyond ASCII."""
    assert len(unquote_to_bytes(octets)) == len(octets) - 2 * octets.count(b"%")
    assert octets.isascii()


def check_request(head: bytes, bare_lf: bool) -> None:
    """Judge a head; what is taken is written, and judged again, to the same."""
    try:
        request = judge_request(head, DEFAULT_HEAD_LIMITS, bare_lf=bare_lf, scheme=b"http")
    except HeadError:
        return
    crlf, lf = head.count(b"\r\n"), head.count(b"\n")
    assert crlf == lf or (bare_lf and not crlf)
    check_escapes(request.target)
    assert not set(request.target) & set(b' \t"<>\\^`{|}#')
    for host in request.lines(b"host"):
        check_host(host)
    if request.version == b"1.1" and request.method != b"CONNECT":
        again = judge_request(write_request(request), DEFAULT_HEAD_LIMITS, bare_lf=False, scheme=b"http")
        assert sorted(again.fields) == sorted(request.fields)
        assert (again.method, again.target, request_framing(again)) == (
            request.method,
            request.target,
            request_framing(request),
        )


def check_response(head: bytes, method: bytes) -> None:
    """Judge a response head; without a body by its status or method, it has none whatever its fields are."""
    try:
        response = judge_response(head, DEFAULT_HEAD_LIMITS, method=method, may_switch=True)
    except HeadError:
        return
    framing = response_framing(response, method)
    if method == b"HEAD" or response.status != 200:
        assert framing.kind is BodyKind.NONE
    codings = response.get(b"transfer-encoding")
    assert codings is None or framing.kind is BodyKind.NONE or codings.lower() == b"chunked"


def test_no_fuzzed_head_is_taken_that_a_grammar_or_h11_refuses() -> None:
    """Fails where a head raises what is no HeadError, or is taken although a grammar or h11 has no such octets."""

    def run(chosen: settings) -> None:
        @chosen
        @given(heads(request_lines), st.booleans(), heads(status_lines), st.sampled_from([b"GET", b"HEAD"]))
        def check(request: bytes, bare_lf: bool, response: bytes, method: bytes) -> None:
            check_request(request, bare_lf)
            check_response(response, method)

        check()

    fuzz(run, share=0.2)
