"""Packet captures: formats, link types, disorder and loss, keep-alive; and those that have no exchange."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chunkwire.cli.diff import load_file
from chunkwire.record.values import DataRecord, FrameRecord
from chunkwire.tools.capture.exchanges import CapturedExchange
from chunkwire.tools.capture.load import choose, list_lines, load_exchanges
from chunkwire.tools.capture.packets import CaptureFileError, Segment, TcpEnd
from chunkwire.tools.capture.streams import read_connections
from chunkwire.tools.probe.captures import captured_hop, frame_lines, hops_of, inside_out, one_stream
from chunkwire.tools.probe.judge import judge_chain
from chunkwire.tools.probe.verdict import Kind
from tests.tools.packets import ACK, LINKS, RST, Packet, Talk, block, pcap, pcapng

GET = b"GET /sse HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FRAMES = (b"5;a=1\r\nhello\r\n", b"6\r\n world\r\n", b"0\r\n\r\n")


def talk() -> Talk:
    """Return a connection with one exchange: a frame each 100 ms."""
    spoken = Talk().open().ask(GET).answer(HEAD, 0.1)
    for number, frame in enumerate(FRAMES, 2):
        spoken.answer(frame, number / 10)
    return spoken.close()


def read(octets: bytes) -> list[CapturedExchange]:
    return load_exchanges(octets, "a.pcap")


def check(exchange: CapturedExchange) -> None:
    """The exchange is that of `talk`, octet for octet and moment for moment."""
    frames = [record for record in exchange.records if isinstance(record, FrameRecord)]
    assert [(frame.line, frame.data, round(frame.t, 4)) for frame in frames] == [
        ("5;a=1", b"hello", 0.2),
        ("6", b" world", 0.3),
        ("0", b"", 0.4),
    ]
    assert exchange.request is not None
    assert (exchange.request.method, exchange.request.target) == ("GET", "/sse")
    assert exchange.end is not None
    assert (exchange.end.framing, exchange.end.chunks, exchange.end.octets) == ("complete", 2, 11)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("v6", [False, True])
def test_each_link_type_is_read_with_both_versions_of_ip(link: str, v6: bool) -> None:
    [exchange] = read(pcap(talk().packets, link=link, v6=v6))
    check(exchange)
    assert exchange.hop == ("[fd00::2]:8080" if v6 else "10.0.0.2:8080")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_both_byte_orders_and_both_units_of_time_are_read(order: str, nano: bool) -> None:
    [exchange] = read(pcap(talk().packets, order=order, nano=nano))
    check(exchange)
    assert exchange.began_ns == 1_800_000_000 * 10**9


@pytest.mark.parametrize("links", [("EN10MB",), ("EN10MB", "LINUX_SLL2")])
@pytest.mark.parametrize("nano", [False, True])
def test_a_pcapng_may_have_several_interfaces(links: tuple[str, ...], nano: bool) -> None:
    [exchange] = read(pcapng(talk().packets, links=links, nano=nano))
    check(exchange)


def test_options_of_an_interface_are_read_in_one_pass() -> None:
    options = struct.pack("<HH", 1, 0) * 1_500_000
    described = block(1, struct.pack("<HHI", 1, 0, 0) + options)
    check(*read(pcapng(talk().packets).replace(block(1, struct.pack("<HHI", 1, 0, 0)), described)))


def test_a_time_that_no_calendar_has_is_listed_as_none() -> None:
    option = struct.pack("<HHB3x", 9, 1, 0)  # a tick a second
    described = block(1, struct.pack("<HHI", 1, 0, 0) + option)
    found = read(pcapng(talk().packets).replace(block(1, struct.pack("<HHI", 1, 0, 0)), described))
    assert list(list_lines(found))[1].split()[:3] == ["1", "-", "10.0.0.2:8080"]


def reordered(packets: list[Packet]) -> list[Packet]:
    """The first frame's segment comes after the second's, at the second's moment."""
    data = [place for place, packet in enumerate(packets) if packet.data in FRAMES[:2]]
    first, second = data
    moved = packets[first]
    late = Packet(packets[second].t, False, moved.seq, moved.ack, moved.flags, moved.data)
    kept = [packet for place, packet in enumerate(packets) if place not in (first, first + 1)]
    place = kept.index(packets[second])
    return [*kept[: place + 1], late, *kept[place + 1 :]]


def test_segments_out_of_order_count_from_when_they_were_in_order() -> None:
    [exchange] = read(pcap(reordered(talk().packets)))
    frames = [record for record in exchange.records if isinstance(record, FrameRecord)]
    assert [frame.data for frame in frames] == [b"hello", b" world", b""]
    assert [round(frame.t, 4) for frame in frames] == [0.3, 0.3, 0.4]


def test_what_is_sent_again_is_taken_once_and_a_keep_alive_probe_not_at_all() -> None:
    packets = []
    for packet in talk().packets:
        packets.append(packet)
        if packet.data:
            packets.append(packet)
            packets.append(Packet(packet.t, packet.is_up, packet.seq + len(packet.data) - 1, packet.ack, ACK, b"\0"))
    check(read(pcap(packets))[0])


def test_octets_that_the_receiver_has_and_the_capture_has_not_are_missing_and_no_cut() -> None:
    packets = [packet for packet in talk().packets if packet.data != FRAMES[1]]
    [exchange] = read(pcap(packets))
    assert exchange.end is not None
    assert (exchange.end.framing, exchange.end.chunks) == ("missing", 1)
    assert exchange.end.error == f"{len(FRAMES[1])} octets are not in the capture"


def test_a_hole_in_one_direction_of_a_long_connection_costs_no_more_than_its_segments() -> None:
    server, client = TcpEnd(b"\n\0\0\2", 8080), TcpEnd(b"\n\0\0\1", 40000)
    wrap = 1 << 32
    places = [place for place in range(-9, 60_000) if place != 1]
    segments = [Segment(0, server, client, place % wrap, 0, ACK, b"x", 1) for place in places]
    [connection] = read_connections(segments)
    assert [(len(piece.octets), piece.missing) for piece in connection.pieces[9:12]] == [(1, 0), (0, 1), (1, 0)]
    assert len(connection.pieces) == len(places) + 1


def test_packets_of_which_only_the_first_octets_were_kept_are_missing_too() -> None:
    [exchange] = read(pcap(talk().packets, snap=14 + 40 + len(HEAD)))
    check(exchange)
    [exchange] = read(pcap(talk().packets, snap=14 + 40 + len(HEAD) - 1))
    assert exchange.head is None


def test_a_server_that_cuts_or_resets_is_said_to() -> None:
    cut = Talk().open().ask(GET).answer(HEAD + FRAMES[0], 0.1).close()
    reset = Talk().open().ask(GET).answer(HEAD + FRAMES[0], 0.1).close(RST)
    endings = [read(pcap(spoken.packets))[0].end for spoken in (cut, reset)]
    assert [end.framing for end in endings if end is not None] == ["cut", "reset"]


def test_a_client_that_resets_has_left() -> None:
    spoken = Talk().open().ask(GET).answer(HEAD + FRAMES[0], 0.1)
    spoken.packets.append(Packet(0.2, True, spoken.up, spoken.down, RST))
    [exchange] = read(pcap(spoken.packets))
    assert exchange.end is not None
    assert (exchange.end.framing, exchange.end.error) == ("client-gone", "the client reset the connection")


def test_a_capture_that_stops_first_says_nothing_of_the_server() -> None:
    [exchange] = read(pcap(Talk().open().ask(GET).answer(HEAD + FRAMES[0], 0.1).packets))
    assert exchange.end is not None
    assert (exchange.end.framing, exchange.end.error) == ("missing", "the capture ends before the body does")


def test_exchanges_of_a_kept_connection_are_told_apart_and_a_hole_in_one_spares_the_next() -> None:
    spoken = Talk().open()
    for number in range(3):
        spoken.ask(GET.replace(b"/sse", b"/%d" % number), number + 0.1).answer(HEAD, number + 0.2)
        spoken.answer(FRAMES[0], number + 0.3).answer(FRAMES[2], number + 0.4)
    holed = [packet for packet in spoken.packets if not (packet.data == FRAMES[0] and 1 < packet.t < 2)]
    found = read(pcap(spoken.packets))
    assert [exchange.end and exchange.end.framing for exchange in found] == ["complete"] * 3
    found = read(pcap(holed))
    assert [exchange.end and exchange.end.framing for exchange in found] == ["complete", "missing", "complete"]
    assert [exchange.request and exchange.request.target for exchange in found] == ["/0", "/1", "/2"]
    assert [round(exchange.began_ns / 1e9 - 1.8e9, 3) for exchange in found] == [0.1, 1.1, 2.1]
    assert len(list(list_lines(found))) == 4
    assert [choose(found, n, "a.pcap") for n in (1, 2, 3)] == [[each] for each in found]
    for n in (0, 4):
        with pytest.raises(CaptureFileError, match=f"an exchange from 1 to 3, got {n}; --list"):
            choose(found, n, "a.pcap")


def test_a_capture_that_began_in_the_middle_of_a_connection_shows_what_follows() -> None:
    packets = [packet for packet in talk().packets if packet.data and packet.data != GET]
    [exchange] = read(pcap(packets))
    assert exchange.request is None
    assert exchange.head is not None
    assert exchange.end is not None
    assert exchange.end.framing == "complete"


def test_an_answer_to_head_has_no_body() -> None:
    spoken = (
        Talk().open().ask(GET.replace(b"GET", b"HEAD")).answer(HEAD, 0.1).ask(GET, 0.2).answer(HEAD + FRAMES[2], 0.3)
    )
    assert [exchange.end and exchange.end.framing for exchange in read(pcap(spoken.packets))] == [
        "complete",
        "complete",
    ]


def test_tls_without_its_keys_is_shown_by_its_records() -> None:
    hello = b"\x16\x03\x01\x00\x05\x01\0\0\x01\0\x02h2"
    records = b"".join(b"\x17\x03\x03" + len(data).to_bytes(2, "big") + data for data in (b"x" * 30, b"y" * 40))
    spoken = Talk().open().ask(hello).answer(b"\x16\x03\x03\x00\x01\x02" + records, 0.1)
    [exchange] = read(pcap(spoken.packets))
    assert [record.size for record in exchange.records if isinstance(record, DataRecord)] == [30, 40]
    assert exchange.notes[0].startswith("TLS: a read is shown for each of its records, ")
    assert "h2" in exchange.notes[1]


def test_http_2_is_named() -> None:
    [exchange] = read(pcap(Talk().open().ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").packets))
    assert exchange.end is not None
    assert "got the preface of HTTP/2 in clear, which has no chunks" in (exchange.end.error or "")


UDP = b"\x45\0\0\x1c" + b"\0" * 5 + b"\x11\0\0" + b"\x7f\0\0\1" * 2 + b"\0\x35\0\x35\0\x08\0\0"
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "no capture": (lambda: b"hello world, this is no capture", "expected a packet capture .*, got a file that begins"),
    "empty": (lambda: b"", "expected a packet capture .*, got an empty file"),
    "no packet": (lambda: pcap([]), "got a capture without a packet"),
    "half a header": (lambda: pcap([])[:10], "the 24 octets of a pcap header, got 10"),
    "no data": (lambda: pcap(Talk().open().packets), "2 packets, 2 of them TCP, none with data"),
    "UDP": (lambda: pcap([], link="RAW") + b"\0" * 8 + b"\x1c\0\0\0" * 2 + UDP, "1 packet, all UDP"),
    "a link type": (
        lambda: pcap(talk().packets)[:20] + b"\x93" + pcap(talk().packets)[21:],
        r"link type 147 \(USER0\)",
    ),
    "a giant packet": (lambda: pcap([]) + b"\0" * 8 + b"\xff" * 8, "at most 16777216 octets of a packet"),
    "a bad block": (lambda: pcapng([]) + b"\6\0\0\0\3\0\0\0", "the length of a pcapng block, got 3"),
    "an empty section": (lambda: block(0x0A0D0D0A, b"\x4d\x3c\x2b\x1a" + b"\0" * 12), "a capture without a packet"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_holds_no_exchange_is_said_in_one_line(name: str) -> None:
    make, expected = BAD[name]
    with pytest.raises(CaptureFileError, match=expected) as raised:
        read(make())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_file_that_is_cut_gives_what_came_before(cut: int) -> None:
    for octets in (pcap(talk().packets), pcapng(talk().packets)):
        assert read(octets[:-cut])[0].request is not None


def at_two_places(hold: Callable[[int, float], float]) -> tuple[bytes, bytes]:
    """Return the captures of one stream where it was written, and behind a hop: 20 frames, 50 ms apart."""
    inner, outer = Talk().open().ask(GET).answer(HEAD, 0.01), Talk().open().ask(GET).answer(HEAD, 0.01)
    moments = [0.1 + 0.05 * number for number in range(20)]
    for number, t in enumerate(moments):
        data = b"data: %d\n\n" % number
        inner.answer(b"%x\r\n%b\r\n" % (len(data), data), t)
    for number, t in enumerate(moments):
        data = b"data: %d\n\n" % number
        outer.answer(b"%x\r\n%b\r\n" % (len(data), data), hold(number, t) + 7.0)  # its clock is another one
    return pcap(inner.answer(FRAMES[2], 1.1).packets), pcap(outer.answer(FRAMES[2], 8.2).packets)


@pytest.mark.parametrize(
    "hold, kinds",
    [
        (lambda _, t: t + 0.001, [Kind.STREAMS, Kind.STREAMS]),
        (lambda _, __: 1.05, [Kind.STREAMS, Kind.TO_END]),
        (lambda n, _: 0.1 + 0.05 * (n // 5 * 5 + 4), [Kind.STREAMS, Kind.HOLDS]),
    ],
)
def test_frames_of_two_captures_are_matched_by_their_octets(
    hold: Callable[[int, float], float], kinds: list[Kind]
) -> None:
    found = [
        hop
        for name, octets in zip("ab", at_two_places(hold), strict=True)
        for hop in one_stream([captured_hop(each, name) for each in load_exchanges(octets, name)])
    ]
    hops = hops_of(found)
    assert [verdict.kind for verdict in judge_chain(hops)] == kinds
    lines = frame_lines(found, hops)
    assert len(lines) == 23
    assert lines[3].split()[:3] == ["1", "9", "0.0"]


@pytest.mark.parametrize("held, is_shown", [(0.3, True), (0.001, False)])
def test_captures_that_show_another_order_than_their_names_are_taken_from_the_inside_out(
    held: float, is_shown: bool
) -> None:
    """Further out nothing comes sooner after its request, whatever the clocks."""
    inner, outer = (
        captured_hop(exchange, name)
        for name, octets in zip("ab", at_two_places(lambda _, t: t + held - 7.0), strict=True)
        for exchange in load_exchanges(octets, name)
    )
    found = inside_out([outer, inner])
    assert found == ([inner, outer] if is_shown else [outer, inner])
    assert inside_out([inner, outer]) == [inner, outer]
    basis = "as the captures show" if is_shown else "as they were named: the captures do not show the order"
    names = ", then ".join(f"10.0.0.2:8080 {hop.source}" for hop in found)
    assert frame_lines(found, hops_of(found))[0] == f"taken as inner first: {names} ({basis})"


def test_the_host_that_asks_at_one_place_and_is_asked_at_another_stands_between_them() -> None:
    hops = [
        replace(
            captured_hop(replace(read(pcap(talk().packets))[0], client=f"{client}:40000", hop=f"{server}:80"), name),
            source=name,
        )
        for name, client, server in (("a", "10.0.0.1", "10.0.0.2"), ("b", "10.0.0.2", "10.0.0.3"))
    ]
    outer, inner = hops
    assert inside_out([outer, inner]) == inside_out([inner, outer]) == [inner, outer]
    alike = [replace(hop, exchange=replace(hop.exchange, client="::1:4", hop="::1:80")) for hop in hops]
    assert inside_out(alike) == alike


def test_a_capture_of_another_stream_is_refused() -> None:
    a, _ = at_two_places(lambda _, t: t)
    one = [captured_hop(each, "a") for each in load_exchanges(a, "a")]
    other = [captured_hop(each, "b") for each in load_exchanges(pcap(talk().packets), "b")]
    with pytest.raises(CaptureFileError, match="b: expected the stream that a shows, got none like it"):
        one_stream(other, like=one)
    with pytest.raises(CaptureFileError, match="got 2 exchanges of 2 streams; --exchange N takes one"):
        one_stream([*one, *other])
    with pytest.raises(CaptureFileError, match="an exchange from 1 to 2, got 9"):
        one_stream([*one, *other], chosen=9)
    assert one_stream([*one, replace(other[0], exchange=replace(other[0].exchange, n=2))], chosen=2)[0].source == "b"


def test_a_file_named_pcap_that_is_no_capture_is_refused(tmp_path: Path) -> None:
    for name, octets, got in (
        ("a.pcap", b"text", "begins with 74 65 78 74"),
        ("b.pcapng", b"\x1f\x8b\x08", "gzip file"),
    ):
        tmp_path.joinpath(name).write_bytes(octets)
        with pytest.raises(CaptureFileError, match=got):
            load_file(str(tmp_path / name))


def test_a_place_with_no_whole_frame_of_the_innermost_is_not_said_to_stream() -> None:
    inner, outer = (
        captured_hop(exchange, name)
        for name, octets in zip("ab", at_two_places(lambda _, t: t), strict=True)
        for exchange in load_exchanges(octets, name)
    )
    _, verdict = judge_chain(hops_of([inner, replace(outer, content=b"event" + outer.content)]))
    name = "10.0.0.2:8080 a"
    assert verdict.line == f"unsure: no whole frame of {name} is in its content: another stream, or another run"


def test_content_that_a_hop_changed_near_its_end_is_no_cut() -> None:
    inner, outer = (
        captured_hop(exchange, name)
        for name, octets in zip("ab", at_two_places(lambda _, t: t), strict=True)
        for exchange in load_exchanges(octets, name)
    )
    at = len(outer.content) - 3
    changed = replace(outer, content=outer.content[:at] + b"x" + outer.content[at + 1 :])
    lines = [verdict.line for verdict in judge_chain(hops_of([inner, changed]))]
    told = f"its content is not that of 10.0.0.2:8080 a from octet {at + 1} on, and is judged up to there"
    assert lines == ["streams", f"streams; {told}"]
    shorter = replace(outer, content=outer.content[:at], ends=outer.ends[:-1])
    assert judge_chain(hops_of([inner, shorter]))[1].kind is Kind.CUT


def test_a_frame_that_only_ends_the_coding_is_no_event_that_is_missing() -> None:
    """A compressor that is flushed after each event has no content left for its last frame."""
    inner, outer = (
        captured_hop(exchange, name)
        for name, octets in zip("ab", at_two_places(lambda _, t: t), strict=True)
        for exchange in load_exchanges(octets, name)
    )
    coded = replace(inner, ends=(*inner.ends, (inner.ends[-1][0] + 10**8, inner.ends[-1][1])))
    assert [verdict.kind for verdict in judge_chain(hops_of([coded, outer]))] == [Kind.STREAMS, Kind.STREAMS]


def test_places_that_do_not_fit_beside_the_others_stand_below_them() -> None:
    found = [captured_hop(exchange, "a") for exchange in load_exchanges(at_two_places(lambda _, t: t)[0], "a")] * 5
    lines = frame_lines(found, hops_of(found), 80)
    headings = [line.split().count("10.0.0.2:8080") for line in lines if line.startswith("  frame  octets")]
    assert (len(headings), sum(headings), max(map(len, lines)) <= 80) == (2, 5, True)
    assert len(frame_lines(found, hops_of(found))) == 3 + 20


def test_an_exchange_that_does_not_fit_a_line_of_a_list_goes_on_below() -> None:
    spoken = Talk().open().ask(GET.replace(b"/sse", b"/" + b"a" * 20)).answer(HEAD, 0.1).close()
    long = read(pcap(spoken.packets))
    [_, row, *rest] = list_lines(long, width=80)
    assert (row.split()[0], rest[0].split()[:2]) == ("1", ["GET", "/" + "a" * 20])
    assert max(map(len, (row, *rest))) <= 80
    assert len(list(list_lines(long))) == 2


def test_the_order_of_the_places_is_wrapped_and_the_legend_fits_80_columns() -> None:
    found = [captured_hop(exchange, "a" * 30) for exchange in load_exchanges(at_two_places(lambda _, t: t)[0], "a")]
    lines = frame_lines(found * 2, hops_of(found * 2), 80)
    assert max(map(len, lines[:3])) <= 80
    assert lines[2].startswith("ms since the first frame there; ")
