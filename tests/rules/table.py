"""The map: each row of the specification and the test on real sockets that holds a server to it.

`rules` has the 69 rules for heads and bodies (RFC 9110, RFC 9112), `attacks` the known attacks on relays, `faults`
the 28 ways in which a stream breaks, `suites` what other people's suites found.
A test is named as pytest names it: `tests/folder/test_file.py::test_name`.
Its docstring says which row it is and on which broken variant it fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        says: the rule, the attack or the fault, in a few words.
        who: whom it concerns among our servers: "O" (origin), "G" (gateway) or "OG".
        origin: the test of the origin; empty where `who` has no O.
        gateway: the test of the gateway; empty where `who` has no G.
        peers: what nginx 1.22, HAProxy 2.6 or others do, measured; `tests/real/test_beside_others.py` asserts some.
    """

    says: str
    who: str = "G"
    origin: str = ""
    gateway: str = ""
    peers: str = ""

    @property
    def tests(self) -> tuple[str, ...]:
        """Return the tests of this row, one or two."""
        return tuple(test for test in (self.origin, self.gateway) if test)


Rows = Mapping[str, Row]
