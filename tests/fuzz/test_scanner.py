"""What `tests/wire` holds of every body, held of fresh bodies for as long as it is asked for."""

from typing import Any

import pytest
from hypothesis import given, settings

from tests.fuzz.conftest import SECONDS, fuzz
from tests.wire import test_properties as wire
from tests.wire.bodies import any_octets, reads

PROPERTIES: Any = (
    wire.test_outcome_does_not_depend_on_the_cuts,
    wire.test_watching_changes_nothing,
    wire.test_raw_octets_of_the_events_are_the_octets_sent,
    wire.test_what_may_be_sent_on_is_a_prefix_of_some_valid_body,
)


@pytest.mark.skipif(not SECONDS, reason="tests/wire has held it of a fixed handful")
def test_no_fuzzed_body_is_sent_on_beyond_what_is_valid() -> None:
    """Fails where a split, a shortcut or an odd octet lets the scanner send on what no valid body begins with."""

    def run(chosen: settings) -> None:
        for held in PROPERTIES:
            chosen(given(reads(any_octets), wire.either_limits)(held.hypothesis.inner_test))()

    fuzz(run, share=0.4)
