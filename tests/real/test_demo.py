"""The first command that anybody runs: `chunkwire demo`, twice at once."""

import re

from tests.peers.command import CHUNKWIRE, chunkwire
from tests.peers.process import Reader, end, started


def test_the_second_of_two_demos_takes_free_ports_and_reports_them() -> None:
    with started([*CHUNKWIRE, "demo", "--keep"]) as first:
        reader = Reader(first.stdout, whose="the first demo")
        reader.until(b"equal")
        second = chunkwire("demo")
        end(first)
    assert second.returncode == 0, second
    assert second.stderr.count(b" is in use; the ") == 2
    assert b"equal: " in second.stdout
    [direct, relayed] = re.findall(rb"SHA-256 ([0-9a-f]+)", second.stdout)
    assert direct == relayed
