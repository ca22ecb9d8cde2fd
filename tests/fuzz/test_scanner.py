"""Whatever comes, in whatever reads: what may be sent on is a prefix of a valid body, and reads change no verdict."""

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import chunkwire
from chunkwire.wire.frames import Event
from chunkwire.wire.limits import DEFAULT_LIMITS, LENIENT_LIMITS
from tests.fuzz.conftest import fuzz
from tests.fuzz.machines import PIECES, cut, splits


class ScannerMachine(RuleBasedStateMachine):
    """One scanner that is fed piece by piece, beside the whole given at once to another."""

    limits = DEFAULT_LIMITS

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    @precondition(lambda self: self.rule or self.scanner.is_complete)
    @rule()
    def begin(self) -> None:
        """Begin a body; the one before is over."""
        self.scanner = chunkwire.ChunkedScanner(self.limits)
        self.held = self.came = self.sent = b""
        self.events: list[Event] = []
        self.rule = ""

    @precondition(lambda self: not self.rule and not self.scanner.is_complete)
    @rule(piece=PIECES, sizes=splits())
    def feed(self, piece: bytes, sizes: list[int]) -> None:
        """Feed a piece in reads."""
        for read in cut(piece, sizes):
            self.came += read
            if self.rule or self.scanner.is_complete:
                return
            buffer, before = self.held + read, self.scanner.wire_octets
            try:
                self.scanner.scan(buffer, len(buffer), self.events)
            except chunkwire.FramingError as error:
                self.rule = error.rule
            taken = self.scanner.wire_octets - before
            self.sent, self.held = self.sent + buffer[:taken], buffer[taken:]

    @invariant()
    def what_was_sent_is_a_prefix_of_a_valid_body(self) -> None:
        assert self.came.startswith(self.sent)
        whole = chunkwire.ChunkedScanner(self.limits)
        whole.scan(self.sent, len(self.sent))
        assert whole.wire_octets == len(self.sent)
        assert whole.is_complete == self.scanner.is_complete

    @invariant()
    def one_read_says_the_same(self) -> None:
        whole, name = chunkwire.ChunkedScanner(self.limits), ""
        try:
            whole.scan(self.came, len(self.came))
        except chunkwire.FramingError as error:
            name = error.rule
        assert (whole.wire_octets, name, whole.octets) == (len(self.sent), self.rule, self.scanner.octets)

    @invariant()
    def events_are_the_octets(self) -> None:
        if not self.rule:
            assert b"".join(event.raw for event in self.events) == self.sent


def test_fuzz_of_the_scanner() -> None:
    """Fails where a split, a shortcut or an odd octet lets the scanner send on what no valid body begins with."""

    def run(chosen: settings) -> None:
        run_state_machine_as_test(ScannerMachine, settings=chosen)

    fuzz(run, share=0.3)


class LenientScannerMachine(ScannerMachine):
    """The same for a scanner that takes padded sizes."""

    limits = LENIENT_LIMITS


def test_fuzz_of_the_lenient_scanner() -> None:
    """Fails where leniency takes a padded size in one read, and refuses it in two, or loses count of its octets."""

    def run(chosen: settings) -> None:
        run_state_machine_as_test(LenientScannerMachine, settings=chosen)

    fuzz(run, share=0.1)
