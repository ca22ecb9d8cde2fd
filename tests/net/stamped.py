"""Kernel stamps, for tests that need them."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chunkwire.net.stamps import stamping
from chunkwire.wire.errors import LocalError

ALL_STAMPS_SINCE = (6, 2)  # the version of Linux that has OPT_ID_TCP


@contextmanager
def kernel_stamps() -> Iterator[None]:
    """Turn stamps on; the test is skipped where the kernel is too old for them, and nowhere else."""
    release = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    try:
        with stamping(transmit=True):
            yield
    except LocalError as error:
        if release >= ALL_STAMPS_SINCE:
            raise
        pytest.skip(str(error))
