"""What the tests of this room share: each mover in turn."""

from tests.net.carry import make_mover

__all__ = ["make_mover"]
