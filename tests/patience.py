"""How long tests wait for what must come."""

from typing import Final

PATIENCE: Final = 100.0  # s; only a failing test waits this long, so that it bounds no machine's speed
