"""chunkwire runs where there is no epoll, no `resource`, and where a socket is no file descriptor."""

import subprocess
import sys

from tests.peers.command import ROOT

STREAMS = (
    r"0 '5\r\nhello\r\n6;a=1\r\n world\r\n0\r\n\r\n'",
    r"18 'd\r\nChunk 1 of 2\n\r\n10\r\nhalf of '",
    r"0 '5\r\nthere\r\n0\r\n\r\n'",
)


def test_origin_gateway_and_watch_work_with_what_every_system_has() -> None:
    """Fails where a module wants more on import, or a socket is read as a file."""
    done = subprocess.run([sys.executable, "-m", "tests.elsewhere"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["PlainMover", *STREAMS, *STREAMS, "0 ", "2 ''"]
    assert "chunkwire: this system lets one process listen on an address" in done.stderr
