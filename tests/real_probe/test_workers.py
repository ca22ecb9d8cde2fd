"""Several processes behind one name: the one that has the barrier is found, whoever answers first."""

import pytest

from tests.peers.command import Served, chunkwire, serving
from tests.peers.servers import nginx

pytestmark = pytest.mark.needs("nginx")


def gate(servers: str, directive: str) -> int:
    """Return the exit code of a probe through an nginx in front of these servers."""
    site = f"location / {{ proxy_pass http://several; {directive} }}"
    with nginx(site, http=f"upstream several {{ {servers} }}") as hop:
        return chunkwire("probe", hop.url("/probe?n=6"), "--gate").returncode


def test_workers_that_have_no_barrier_are_passed_over() -> None:
    with serving("serve", "--workers", "3") as served:
        assert gate(f"server 127.0.0.1:{served.port};", "") == 1


def test_of_two_origins_behind_one_name_the_right_one_is_acknowledged(origin: Served) -> None:
    with serving("serve") as other:
        assert gate(f"server 127.0.0.1:{origin.port}; server 127.0.0.1:{other.port};", "proxy_buffering off;") == 0
