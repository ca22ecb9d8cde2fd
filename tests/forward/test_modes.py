"""Relay modes and faults: what they make of frames, and that neither can be forgotten running."""

import logging
import select
from collections.abc import Callable
from dataclasses import replace

import pytest
import trio
import trio.testing

import chunkwire
from chunkwire.forward.access import log_text
from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS, GatewaySettings
from chunkwire.forward.shape import parse_fault, parse_mode, shaper
from chunkwire.origin.scenarios import FAULTS, Ending
from chunkwire.record.values import EndRecord, FrameRecord
from chunkwire.wire.errors import LocalError
from chunkwire.wire.feed import WATCHED_TURN_OCTETS
from chunkwire.wire.frames import Data
from tests.forward.wire import CHUNKED, END, TEXT, answer, chunked, forwarding, get, relay_heads, status_of, values_of
from tests.net.carry import MakeMover

TRAILED = b"0;z=1\r\nX-Sum: 1\r\n\r\n"
BODY = b"5;a=1\r\nhello\r\n3\r\nabc\r\n"


def settings_of(mode: str = "exact", fault: str = "") -> GatewaySettings:
    return replace(DEFAULT_GATEWAY_SETTINGS, mode=parse_mode(mode), fault=parse_fault(fault) if fault else None)


MODES = {
    "exact": BODY + TRAILED,
    "reframe": b"8\r\nhelloabc\r\n0\r\nX-Sum: 1\r\n\r\n",
    "buffer": b"8\r\nhelloabc\r\n0\r\nX-Sum: 1\r\n\r\n",
    "coalesce=6": b"8\r\nhelloabc\r\n0\r\nX-Sum: 1\r\n\r\n",
    "coalesce=50ms": b"8\r\nhelloabc\r\n0\r\nX-Sum: 1\r\n\r\n",
    "slice=3": b"3\r\nhel\r\n3\r\nloa\r\n2\r\nbc\r\n0\r\nX-Sum: 1\r\n\r\n",
}


@pytest.mark.parametrize("mode", MODES)
async def test_a_mode_makes_its_frames_of_one_read_and_records_them(make_mover: MakeMover, mode: str) -> None:
    """Fails where a mode loses data or trailers, `exact` writes anything anew, or other frames are recorded as sent."""
    async with forwarding(make_mover, settings_of(mode), record=True) as gateway:
        async with gateway.exchange(get()) as (client, upstream):
            await upstream.send(chunked(BODY + TRAILED))
            head = await client.read_head()
            await client.expect(MODES[mode])
            await gateway.wait_ended()
    sent = [each.line for each in gateway.records if isinstance(each, FrameRecord) and each.point == "gateway.sent"]
    assert sent == [frame.line.decode() for frame in chunkwire.decode(MODES[mode])]
    assert values_of(head, b"chunkwire-mode") == ([] if mode == "exact" else [mode.encode()])


async def test_a_read_that_is_scanned_in_several_turns_becomes_one_chunk(make_mover: MakeMover) -> None:
    """Fails where `reframe` makes a chunk of each turn."""
    chunks = 2 * WATCHED_TURN_OCTETS
    async with forwarding(make_mover, settings_of("reframe")) as gateway:
        async with gateway.exchange(get(), chunked(b"1\r\nx\r\n" * chunks + END)) as (client, _):
            assert await client.read_until(END) == b"%x\r\n%b\r\n" % (chunks, b"x" * chunks) + END


@pytest.mark.parametrize("mode", ["buffer", "coalesce=64", "coalesce=1000s"])
async def test_a_mode_that_gathers_makes_one_chunk_of_many_reads(make_mover: MakeMover, mode: str) -> None:
    """Fails where each read goes down as it comes: the frame must hold both."""
    async with forwarding(make_mover, settings_of(mode)) as gateway:
        async with gateway.exchange(get(), chunked(b"")) as (client, upstream):
            for frame in (TEXT, TEXT, END):
                await upstream.send(frame)
            await client.expect(b"a\r\nhellohello\r\n" + END)


@pytest.mark.parametrize("mode", ["buffer", "coalesce=64", "coalesce=1000s"])
async def test_a_mode_that_gathers_does_so_for_an_http_1_0_client(make_mover: MakeMover, mode: str) -> None:
    """Fails where its body is only dechunked: the first chunk would be there before the end."""
    async with forwarding(make_mover, settings_of(mode), record=True) as gateway:
        async with gateway.exchange(get(version=b"1.0"), chunked(TEXT)) as (client, upstream):
            while not any(isinstance(record, FrameRecord) for record in gateway.records):
                await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked()
            assert not select.select([client.stream.socket.fileno()], [], [], 0)[0]
            await upstream.send(TEXT + END)
            assert await client.read_all() == b"hellohello"


async def test_gathered_data_goes_down_when_its_time_is_over(make_mover: MakeMover) -> None:
    """Fails where `coalesce=MS` waits for more data or the end: neither comes before the client has this."""
    async with forwarding(make_mover, settings_of("coalesce=20ms")) as gateway:
        async with gateway.exchange(get(), chunked(TEXT)) as (client, upstream):
            await client.expect(TEXT)
            await upstream.send(TEXT)
            await client.expect(TEXT)


async def test_the_time_that_data_is_gathered_for_begins_with_its_first_octets(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Fails where each read puts the end off: of a steady stream nothing would ever go down."""
    gather = shaper(parse_mode("coalesce=20ms"), is_chunked=True)
    assert gather is not None
    began = trio.current_time()
    assert gather.feed([Data(0, b"a")]) == b""
    autojump_clock.jump(0.015)
    assert gather.feed([Data(1, b"b")]) == b""
    assert gather.due == began + 0.02
    assert gather.flush() == b"2\r\nab\r\n"


@pytest.mark.parametrize("mode", MODES)
async def test_no_mode_ends_a_body_that_was_cut(make_mover: MakeMover, mode: str) -> None:
    """Fails where a mode that writes frames of its own writes a last-chunk too."""
    async with forwarding(make_mover, settings_of(mode)) as gateway:
        _, got = await gateway.relay(get(), chunked(BODY))
        assert b"0\r\n\r\n" not in got
        assert (await gateway.wait_ended()).verdict == "cut"


PLAYED = [name for name, fault in FAULTS.items() if not fault.breaks_head]


@pytest.mark.parametrize("name", PLAYED)
async def test_a_fault_is_played_and_named(
    make_mover: MakeMover, name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where a fault ends as a complete body that it should not, or runs without saying so."""
    monkeypatch.setattr("chunkwire.forward.exchange.HOLD_SECONDS", 0.0)
    caplog.set_level(logging.INFO, "chunkwire.access")
    settings = settings_of(fault=f"{name}=1")
    async with forwarding(make_mover, settings, record=True) as gateway:
        async with gateway.exchange(get()) as (client, upstream):
            await upstream.send(chunked(TEXT + TEXT + END))
            head = await client.read_head()
            if name == "tiny":
                body = await client.read_until(END)
            else:
                body = await (client.read_reset() if FAULTS[name].ending is Ending.RESET else client.read_all())
        report = await gateway.wait_ended()
        end = gateway.records[-1]
        log_text("client", gateway.ended[-1][0], report)
    assert values_of(head, b"chunkwire-fault") == [f"{name}=1".encode()]
    assert f"fault={name}=1" in caplog.text
    assert is_decodable(body) == FAULTS[name].is_framed
    assert isinstance(end, EndRecord)
    if name == "bad-size":  # what is no frame stands in the end
        assert (end.chunks, (end.data or b"")[:4]) == (1, b"zz\r\n")
        assert str(end.error).startswith("expected a chunk-size in hex digits")


async def test_a_fault_is_played_once_its_frames_have_come(make_mover: MakeMover) -> None:
    """Fails where it waits for another frame, or for the end: neither comes before the client has the fault."""
    async with forwarding(make_mover, settings_of(fault="cut=1")) as gateway:
        async with gateway.exchange(get(), chunked(TEXT)) as (client, _upstream):
            assert await client.read_end() == TEXT + (FAULTS["cut"].tail or b"")


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.breaks_head])
async def test_a_fault_of_the_head_is_all_that_comes_down(name: str) -> None:
    async with forwarding(settings=settings_of(fault=name)) as gateway:
        _, got = await gateway.relay(get(), chunked(TEXT + END))
        report = await gateway.wait_ended()
    assert got == FAULTS[name].head
    assert (report.verdict, str(report.fault)) == ("cut", f"{name}=3")


@pytest.mark.parametrize("mode, fault", [("slice=2", ""), ("reframe", ""), ("exact", "cut=0")])
@pytest.mark.parametrize(
    "version, response, names_it",
    [
        (b"1.1", chunked(TEXT + END), True),
        (b"1.0", chunked(TEXT + END), False),
        (b"1.1", answer(b"Content-Length: 5") + b"hello", False),
    ],
    ids=["chunks", "HTTP/1.0", "Content-Length"],
)
async def test_what_needs_chunks_is_named_only_in_a_response_that_goes_down_in_chunks(
    mode: str, fault: str, version: bytes, response: bytes, names_it: bool
) -> None:
    """Fails where a response or the log names a mode or a fault that the response does not go through."""
    async with forwarding(settings=settings_of(mode, fault)) as gateway:
        _, got = await gateway.relay(get(version=version), response)
        report = await gateway.wait_ended()
    assert (b"\r\nChunkwire-" in got) == names_it
    assert got.endswith(b"\r\n\r\nhello") != names_it
    assert str(report.fault or "") == (fault if names_it else "")
    assert str(report.mode) == (mode if names_it else "exact")


def is_decodable(body: bytes) -> bool:
    try:
        chunkwire.decode(body)
    except (chunkwire.FramingError, chunkwire.IncompleteBody):
        return False
    return True


@pytest.mark.parametrize(
    "parse, text",
    [
        (parse_mode, "fast"),
        (parse_mode, "slice"),
        (parse_mode, "slice=0"),
        (parse_mode, "slice=5ms"),
        (parse_mode, "coalesce=0ms"),
        (parse_mode, "buffer=1"),
        (parse_fault, "boom"),
        (parse_fault, "cut=x"),
        (parse_fault, "cut="),
    ],
)
def test_a_mode_or_fault_that_is_none_is_one_line(parse: Callable[[str], object], text: str) -> None:
    """Fails where a typing error runs as `exact`, or as a traceback."""
    with pytest.raises(LocalError, match=r"expected |no scenario ") as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text, hint", [("slcie=3", "; did you mean slice?"), ("slice=x", "got 'slice=x'")])
def test_another_mode_is_suggested_for_a_misspelt_one_alone(text: str, hint: str) -> None:
    with pytest.raises(LocalError) as caught:
        parse_mode(text)
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize("value", [b"?1", b"?1;a=b"])
async def test_a_request_that_must_not_be_buffered_is_refused_by_a_mode_that_does(value: bytes) -> None:
    """Fails where `Incremental: ?1` is ignored in `buffer` mode (RFC 10036)."""
    async with forwarding(settings=settings_of("buffer")) as gateway:
        got = await gateway.ask(get(b"Incremental: " + value))
        assert not gateway.is_asked()
    assert status_of(got) == 501
    assert b"\r\nProxy-Status: chunkwire; error=incremental_refused" in got


@pytest.mark.parametrize("value", [b"?0", b"1", b"true", b"?1, ?1", b"yes"])
async def test_another_incremental_is_no_wish(value: bytes) -> None:
    """Fails where a value that is no true Boolean counts as one; in `exact` mode, `?1` goes through."""
    request, response = get(b"Incremental: " + value), answer(b"Content-Length: 0")
    head, got = await relay_heads(request, response, settings=settings_of("buffer"))
    assert values_of(head, b"incremental") == [value]
    assert status_of(got) == 200


async def test_a_response_that_must_not_be_buffered_is_a_502_in_a_mode_that_does() -> None:
    """Fails where the field of the response is ignored; in `exact` mode it goes through."""
    response = answer(CHUNKED, b"Incremental: ?1") + TEXT + END
    _, got = await relay_heads(get(), response, settings=settings_of("buffer"))
    assert status_of(got) == 502
    assert b"error=incremental_refused" in got
    _, got = await relay_heads(get(b"Incremental: ?1"), response)
    assert values_of(got, b"incremental") == [b"?1"]


@pytest.mark.parametrize("mode", ["reframe", "buffer", "coalesce=6", "slice=3"])
async def test_a_mode_sends_trailers_that_the_encoder_does_not_write(make_mover: MakeMover, mode: str) -> None:
    """Fails where a mode breaks a body that a relay accepts: a trailer that was received may be response control."""
    async with forwarding(make_mover, settings_of(mode)) as gateway, gateway.connect(get()) as client:
        async with gateway.asked() as upstream:
            await upstream.send(chunked(b"3\r\nabc\r\n0;z=1\r\nExpires: 0\r\n\r\n"))
            await client.read_head()
            await client.expect(b"3\r\nabc\r\n0\r\nExpires: 0\r\n\r\n")
        assert (await gateway.wait_ended()).verdict == "complete"
