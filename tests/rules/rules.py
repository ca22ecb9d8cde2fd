"""The 69 rules for heads, bodies and connections; sections are of RFC 9112 and RFC 9110.

Where a row has more than one test of a server, the others stand beside the one that is named and say the row in
their docstrings.
"""

from __future__ import annotations

from typing import Final

from tests.rules.connections import CONNECTIONS_AND_FIELDS
from tests.rules.messages import MESSAGES
from tests.rules.table import Rows

RULES: Final[Rows] = {**MESSAGES, **CONNECTIONS_AND_FIELDS}
