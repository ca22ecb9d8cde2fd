"""Each scenario writes what it says; `tests/check` has what clients make of it."""

import pytest

from chunkwire.net.heads import Request
from chunkwire.origin.scenarios import BROKEN, EVENTS, LEGAL, SCENARIOS, Ending, Scenario, find_scenario
from chunkwire.origin.scenarios.playing import accepts_gzip
from chunkwire.origin.scenarios.quirks import QUIRKS
from chunkwire.server.journal import Ended
from chunkwire.wire.errors import LocalError
from tests.server.peer import body_of, connect, fetch, get, serving, status_of

WITH_FIN = [each for each in SCENARIOS.values() if each.ending not in (Ending.HOLD, Ending.RESET)]


@pytest.mark.parametrize("scenario", WITH_FIN, ids=str)
async def test_a_scenario_is_written_octet_for_octet(scenario: Scenario) -> None:
    assert await fetch(f"/scenario/{scenario}") == scenario.octets


@pytest.mark.parametrize("name", ["reset-unframed", "reset"])
async def test_a_scenario_that_ends_in_a_reset_ends_so(name: str) -> None:
    async with serving() as running, connect(running.port, get(f"/scenario/{name}")):
        assert await running.wait_ended() is Ended.RESET


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=str)
def test_a_scenario_takes_other_content(scenario: Scenario) -> None:
    events = [b"data: %d\n\n" % n for n in range(4)]
    other = scenario.of(events)
    assert (other.name, other.ending, other.tail) == (scenario.name, scenario.ending, scenario.tail)
    if scenario.is_legal and not scenario.clause.startswith("WHATWG"):  # those change the events' own form
        assert other.content == b"".join(events)
    assert scenario.of(EVENTS) == scenario


def test_content_that_is_no_event_stream_keeps_its_form() -> None:
    for name in ("comments", "split-crlf", "lone-cr"):
        assert SCENARIOS[name].of([b'{"a":1}\n'], b"application/x-ndjson").content == b'{"a":1}\n'


async def test_a_connection_goes_on_after_a_scenario_that_keeps_it() -> None:
    async with serving() as running:
        targets = ("/scenario/gzip", "/fault/early-end?n=0", "/scenario/tiny")
        assert (await running.ask(b"".join(map(get, targets)))).count(b"200 OK") == 3


async def test_only_chunks_are_refused_to_http_1_0() -> None:
    async with serving() as running:
        for target in (b"/scenario/tiny", b"/fault/cut"):
            assert status_of(await running.ask(b"GET %b HTTP/1.0\r\n\r\n" % target)) == 400
        assert await running.ask(b"GET /scenario/content-length HTTP/1.0\r\n\r\n") == SCENARIOS["content-length"].octets


async def test_head_of_a_scenario_is_its_head_alone() -> None:
    async with serving() as running:
        answer = await running.ask(b"HEAD /scenario/trailers HTTP/1.1\r\nHost: x\r\n\r\n")
        fault = await running.ask(b"HEAD /fault/bad-size HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer, body_of(fault)) == (SCENARIOS["trailers"].head, b"")


@pytest.mark.parametrize(
    "value, accepts",
    [
        *[("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("X-GZIP", True), ("gzip ; q=0.001", True)],
        *[("gzip;q=0", False), ("gzip; q=0.000", False), ("identity", False), ("", False)],
    ],
)
def test_gzip_is_accepted_by_name_unless_its_weight_is_0(value: str, accepts: bool) -> None:
    assert accepts_gzip(Request(b"GET", b"/", fields=((b"Accept-Encoding", value.encode()),))) is accepts


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(LocalError, match=r"^no scenario 'split-utf-8'; did you mean split-utf8\?$"):
        find_scenario("split-utf-8")
    assert find_scenario("split-utf8").is_legal
    assert [repr(find_scenario("cut")), repr(QUIRKS["no-done"])] == ["<scenario cut>", "<quirk no-done>"]


@pytest.mark.parametrize("name, said", [("cutt", b"did you mean cut?"), ("magic", b"no scenario 'magic'; there are ")])
async def test_an_unknown_name_is_404_with_those_there_are(name: str, said: bytes) -> None:
    answer = await fetch(f"/fault/{name}")
    assert (status_of(answer), said in answer) == (404, True)


def test_the_tables_of_scenarios_are_of_one_kind_each_and_names_are_unique() -> None:
    assert {each.is_legal for each in LEGAL} == {True}
    assert {each.is_legal for each in BROKEN} == {False}
    assert not any(each.content.endswith(EVENTS[-1]) for each in BROKEN if each.is_framed)
    assert len({*(each.name for each in (*LEGAL, *BROKEN))}) == len(LEGAL) + len(BROKEN)


@pytest.mark.parametrize("name", ["split-crlf", "lone-cr", "comments"])
def test_events_are_changed_whatever_parameters_their_media_type_has(name: str) -> None:
    events = [b"data: a\n\n", b"data: b\n\n"]
    plain, named = (
        SCENARIOS[name].of(events, b"text/event-stream" + more).content for more in (b"", b"; charset=utf-8")
    )
    assert plain == named != b"".join(events)


@pytest.mark.parametrize("name", ["across-events", "split-utf8", "split-blank-line", "split-crlf"])
def test_chunks_that_end_at_odd_places_are_written_apart(name: str) -> None:
    """Else a client that decodes each read finds several chunks in one."""
    first, *rest = SCENARIOS[name].writes
    assert not first.pause
    assert all(write.pause for write in rest[:16])
