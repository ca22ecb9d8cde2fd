"""Flushing, proved without a clock: a client sends frame k+1 only when it has seen frame k come back."""

from tests.peers.command import Served
from tests.peers.plain import dialled

FRAMES = (
    b"5\r\nhello\r\n",
    b"0005;a=1\r\nworld\r\n",
    b"A;x\r\n0123456789\r\n",
    b"1\r\nz\r\n",
    b"000;end\r\nX-Sum: 7\r\n\r\n",
)
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_each_frame_passes_both_ways_and_is_echoed_before_the_next_is_written(gateway: Served) -> None:
    with dialled(gateway.port, POST + FRAMES[0]) as client:
        assert b"\r\nTransfer-Encoding: chunked\r\n" in client.read_head()
        for frame, following in zip(FRAMES, (*FRAMES[1:], b""), strict=True):
            assert client.reader.exactly(len(frame)) == frame
            client.send(following)
