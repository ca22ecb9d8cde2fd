"""curl's own traces as a vantage point: read back octet for octet, and refused with the command that would do."""

import pytest

from chunkwire.record.values import EndRecord, FrameRecord, HeadRecord, RequestRecord
from chunkwire.tools.probe.arrival import read_runs
from chunkwire.tools.probe.curl_trace import is_trace, read_trace
from chunkwire.wire.errors import LocalError

REQUEST = b"GET /probe?nonce=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 1\r\n\r\n"
HEAD = (b"HTTP/1.1 200 OK\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n")
FRAMES = (b"5;n=1\r\nhello\r\n", b"1\r\nx\r\n")
LAST = b"0\r\nX-T: 1\r\n\r\n"


def block(time: str, title: str, octets: bytes) -> str:
    """Return an entry as curl writes it."""
    lines = [f"{time} {title}, {len(octets)} bytes (0x{len(octets):x})"]
    for start in range(0, len(octets), 16):
        row = octets[start : start + 16]
        text = "".join(chr(o) if 32 <= o < 127 else "." for o in row)
        lines.append(f"{start:04x}: {''.join(f'{o:02x} ' for o in row):<48}{text}")
    return "\n".join(lines) + "\n"


def trace(*data: bytes, head: tuple[bytes, ...] = HEAD, infos: str = "", request: bytes = REQUEST) -> str:
    text = "23:59:59.900000 == Info:   Trying 127.0.0.1:80...\n23:59:59.900250 == Info: Connected to x (127.0.0.1)\n"
    text += block("23:59:59.900500", "=> Send header", request)
    text += "".join(block("23:59:59.901500", "<= Recv header", line) for line in head)
    text += "".join(
        block(f"{second // 60:02}:00:{second % 60:02}.000500", "<= Recv data", octets)
        for second, octets in enumerate(data)
    )
    return text + infos


def test_a_line_ends_at_lf_alone() -> None:
    info = "23:59:59.901000 == Info:  subject: CN=a\x85b\u2028c\n"
    records = read_trace(trace(*FRAMES, LAST).replace("23:59:59.900500", info + "23:59:59.900500", 1)).records
    assert sum(isinstance(record, FrameRecord) for record in records) == 3


def test_each_frame_has_the_moment_of_its_read() -> None:
    records = read_trace(trace(*FRAMES, LAST)).records
    frames = [record for record in records if isinstance(record, FrameRecord)]
    assert [(frame.line, frame.data, frame.read) for frame in frames] == [
        ("5;n=1", b"hello", 1),
        ("1", b"x", 2),
        ("0", b"", 3),
    ]
    assert [frame.t for frame in frames] == pytest.approx([0.1, 1.1, 2.1])


def test_midnight_may_pass_between_two_lines() -> None:
    (run,) = read_runs(read_trace(trace(*FRAMES, LAST)).records)
    assert run.pieces[0].t == pytest.approx(0.1)


def test_the_head_has_the_moment_of_its_last_line_and_no_credentials() -> None:
    records = read_trace(trace(LAST)).records
    (request,) = [record for record in records if isinstance(record, RequestRecord)]
    (head,) = [record for record in records if isinstance(record, HeadRecord)]
    assert ("Authorization", "[redacted]") in request.fields
    assert head.status_line == "HTTP/1.1 200 OK"
    assert head.t == pytest.approx(0.001)


def test_frames_that_shared_a_read_share_its_number() -> None:
    (run,) = read_runs(read_trace(trace(b"".join(FRAMES) + LAST)).records)
    assert (run.chunks, run.reads, run.trailers) == (2, 1, ("X-T",))


def test_the_time_of_the_connect_is_read() -> None:
    assert read_trace(trace(LAST)).connect == pytest.approx(0.00025)


@pytest.mark.parametrize(
    "infos, framing",
    [
        ("", "cut"),
        ("00:00:09.0 == Info: transfer closed with outstanding read data remaining\n", "cut"),
        ("00:00:09.0 == Info: Recv failure: Connection reset by peer\n", "reset"),
        ("00:00:09.0 == Info: Operation timed out after 1000 milliseconds with 5 bytes received\n", "timeout"),
    ],
)
def test_how_curl_ended_is_how_the_body_ended(infos: str, framing: str) -> None:
    end = read_trace(trace(*FRAMES, infos=infos)).records[-1]
    assert isinstance(end, EndRecord)
    assert end.framing == framing


def test_a_body_delimited_by_close_needs_no_terminator() -> None:
    end = read_trace(trace(b"hello", head=(HEAD[0], HEAD[2]))).records[-1]
    assert isinstance(end, EndRecord)
    assert (end.framing, end.octets) == ("complete", 5)


def test_a_trace_of_two_requests_has_two_streams() -> None:
    runs = read_runs(read_trace(trace(LAST) + trace(*FRAMES, LAST)).records)
    assert [run.chunks for run in runs] == [0, 2]


def test_a_trace_that_is_still_written_is_read_as_far_as_it_goes() -> None:
    text = trace(*FRAMES)
    (run,) = read_runs(read_trace(text[:-60]).records)
    assert run.chunks == 1


def test_a_head_that_follows_an_interim_one_is_the_response() -> None:
    interim = (b"HTTP/1.1 103 Early Hints\r\n", b"\r\n", *HEAD)
    (run,) = read_runs(read_trace(trace(LAST, head=interim)).records)
    assert run.status == 200


ASCII = (
    "12:00:00.0 <= Recv header, 17 bytes (0x11)\n0000: HTTP/1.1 200 OK\n"
    "12:00:00.0 <= Recv header, 2 bytes (0x2)\n0000: \n"
)


@pytest.mark.parametrize(
    "text, message",
    [
        (ASCII, "--trace-ascii, which loses octets"),
        (trace(LAST).replace("23:59:59.900500 =>", "=>"), "--trace-time"),
        (trace(LAST, head=(b"HTTP/2 200 \r\n", b"\r\n")), "expected HTTP/1.1, got HTTP/2"),
        (trace(LAST, request=b"GET / HTTP/2\r\nHost: x\r\n\r\n"), "expected HTTP/1.1, got 'GET / HTTP/2'"),
        (trace(b"hello"), "--raw"),
        ("12:00:00.0 == Info: nothing\n", "expected a response in the trace, got none"),
        ("hello\n\n", "expected a line of a curl trace in line 1, got 'hello'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_command_that_would_do(text: str, message: str) -> None:
    with pytest.raises(LocalError, match="expected") as caught:
        read_trace(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "line, expected", [(trace().splitlines()[0], True), ('{"v":1,"kind":"head"}', False), ("HTTP/1.1 200 OK", False)]
)
def test_a_trace_is_known_by_its_first_line(line: str, expected: bool) -> None:
    assert is_trace(line) is expected
