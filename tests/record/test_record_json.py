"""Records as lines of JSON: the published schema, both ways, and lines that are none."""

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chunkwire.record
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import (
    MAX_LINE,
    FrameRecord,
    HeadRecord,
    Record,
    _record_json,
    from_json,
    lines_of,
    read_records,
    to_json,
)
from chunkwire.wire.errors import LocalError
from chunkwire.wire.scanner import ChunkedScanner
from tests.wire.bodies import any_octets, reads

SCHEMA = json.loads(Path(chunkwire.record.__path__[0], "record.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

FRAME = (
    '{"v":1,"kind":"frame","stream":1,"point":"client.received","way":"response","n":2,"t":0.25131,"gap":0.1502,'
    '"read":3,"offset":118,"line":"12;t=4","size":18,"data":"data: {\\"t\\":\\", \\"}\\n\\n"}'
)


def records_of(cut: list[bytes]) -> list[Record]:
    """Return the records of an exchange with this body, broken or not."""
    records: list[Record] = []
    recorder = Recorder(records.append, stream=1, point="gateway.received", hop="a")
    recorder.request(0.0, b"GET", b"/\xff", [(b"Host", b"x")], 1767225600.123)
    recorder.head(0.05, b"HTTP/1.1 200 OK", [(b"X-Name", b"\xe9")])
    scanner, held, framing = ChunkedScanner(), b"", "cut"
    for read, octets in enumerate(cut, 1):
        held += octets
        before = scanner.wire_octets
        events: list[Any] = []
        try:
            scanner.scan(held, len(held), events)
        except chunkwire.FramingError:
            framing = "malformed"
        held = held[scanner.wire_octets - before :]
        recorder.body(read * 0.1, events, read)
        if framing == "malformed":
            break
    recorder.end(1.5, "complete" if scanner.is_complete else framing, "incomplete", events=3, error="why", held=held)
    return records


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@given(reads(any_octets))
def test_every_record_fits_the_schema_with_its_data_and_without_and_comes_back_the_same(cut: list[bytes]) -> None:
    for record in records_of(cut):
        line = to_json(record)
        assert "\n" not in line
        VALIDATOR.validate(json.loads(line))
        back = from_json(line)
        assert back is not None
        assert to_json(back) == line
        assert type(back) is type(record)
        without = json.loads(to_json(record, with_data=False))
        VALIDATOR.validate(without)
        assert not {"data", "data_b64"} & set(without)


def test_line_has_its_members_in_the_order_of_the_design() -> None:
    record = from_json(FRAME)
    assert record is not None
    assert to_json(record) == FRAME


def test_content_that_is_not_utf8_is_base64() -> None:
    frame = next(record for record in records_of([b"2\r\n\xff\x00\r\n"]) if record.kind == "frame")
    members = json.loads(to_json(frame))
    assert (members["data_b64"], "data" in members) == ("/wA=", False)


def test_times_have_microseconds() -> None:
    record = from_json(FRAME.replace("0.25131", "0.123456789"))
    assert record is not None
    assert '"t":0.123457,' in to_json(record)


def test_unknown_kind_is_passed_over() -> None:
    assert from_json('{"v":1,"kind":"weather","t":0}') is None


def test_unknown_member_is_ignored() -> None:
    assert from_json(FRAME[:-1] + ',"colour":"red"}') == from_json(FRAME)


@given(st.sampled_from(["stream", "n", "t", "gap", "read", "line", "size", "point", "way", "cut", "hop"]))
def test_member_of_another_type_is_refused(name: str) -> None:
    with pytest.raises(LocalError, match=f'expected another type of "{name}"'):
        from_json(json.dumps({**json.loads(FRAME), name: [True]}))


@pytest.mark.parametrize(
    "line, message",
    [
        ("", "expected a record in JSON"),
        (b"\xff", "expected a record in JSON"),
        ('{"a":' * 100_000, "expected a record in JSON"),
        *((f'{{"v":1,"kind":"head","fields":{"[" * n}1{"]" * n}}}', "expected a record in JSON") for n in (960, 980)),
        ("[1]", 'expected a record, an object with "v":1'),
        ('{"kind":"frame"}', 'expected a record, an object with "v":1'),
        ('{"v":1}', 'expected a record, an object with "v":1'),
        ('{"v":1,"kind":"frame","stream":1}', "expected every member of a record of kind frame"),
        ('{"v":1,"kind":"frame","stream":true}', 'expected another type of "stream"'),
        ('{"v":1,"kind":"head","stream":1}', 'expected "fields" in a record'),
        ('{"v":1,"kind":"head","fields":[["a"]]}', r'expected \[name, value\] in "fields"'),
        ('{"v":1,"kind":"frame","data_b64":"?"}', 'expected base64 in "data_b64"'),
        ('{"v":1,"kind":"frame","data_b64":"\u20ac"}', 'expected base64 in "data_b64"'),
        ('{"v":1,"kind":"frame","data_b64":5}', 'expected a text as "data_b64"'),
        ('{"v":1,"kind":"frame","data":[1]}', 'expected a text as "data"'),
        ('{"v":1,"kind":"frame","t":1e999}', 'expected a number of 64 bits as "t"'),
        ('{"v":1,"kind":"frame","t":NaN}', 'expected a number of 64 bits as "t"'),
        ('{"v":1,"kind":"frame","t":1%s}' % ("0" * 400), 'expected a number of 64 bits as "t"'),
        ('{"v":1,"kind":"frame","size":-1}', 'expected a number of 64 bits as "size"'),
        ('{"v":1,"kind":"frame","size":9223372036854775808}', 'expected a number of 64 bits as "size"'),
        ('{"v":1,"kind":"frame","point":"here"}', 'expected one of origin.sent, .* as "point"'),
        ('{"v":1,"kind":"frame","line":"5;\u20ac"}', 'expected octets as Latin-1 in "line"'),
        ('{"v":1,"kind":"head","fields":[["a","\ud800"]]}', 'expected octets as Latin-1 in "fields"'),
    ],
)
def test_line_that_is_no_record_is_refused(line: str | bytes, message: str) -> None:
    with pytest.raises(LocalError, match=message):
        from_json(line)


@pytest.mark.parametrize("line", ["root:x:0:0", b"\x7fELF\xff", "[1]"])
def test_a_file_that_is_no_recording_gets_told_what_one_is(line: str | bytes) -> None:
    with pytest.raises(LocalError, match=r"^a.bin: expected a recording \(JSON lines, as `chunkwire watch URL --save"):
        list(read_records([line, FRAME], "a.bin"))
    with pytest.raises(LocalError, match=r"^a.json, line 1: expected a record, an object"):
        list(read_records(["{}", FRAME], "a.json"))


def test_the_largest_number_and_the_last_octet_are_taken() -> None:
    members = {**json.loads(FRAME), "size": 2**63 - 1, "gap": -1.5, "line": "5;\xff"}
    record = from_json(json.dumps(members))
    assert isinstance(record, FrameRecord)
    assert (record.size, record.gap, record.line) == (2**63 - 1, -1.5, "5;\xff")


@pytest.mark.parametrize("line, status", [("HTTP/1.1 204 No", 204), ("HTTP/1.1", 0), ("HTTP/1.1 \xb2\xb2\xb2 x", 0)])
def test_the_status_of_a_head_is_three_digits_or_none(line: str, status: int) -> None:
    assert HeadRecord(1, "client.received", 0.0, line, ()).status == status


@pytest.mark.parametrize("end", ["", "\n", f"\n{FRAME}\n"])
def test_a_line_that_is_too_long_is_refused_before_it_is_held(end: str) -> None:
    file = io.StringIO(f"{FRAME}\n{{{'x' * 3 * MAX_LINE}{end}")
    with pytest.raises(LocalError, match=r'^a.jsonl, line 2: .* at most 16 MiB, got a longer line, "{xxx.*"…$'):
        list(read_records(lines_of(file), "a.jsonl"))
    assert file.tell() <= len(FRAME) + MAX_LINE + 3


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_is_as_long_as_it_is_without_its_end(end: bytes) -> None:
    longest = FRAME.encode().ljust(MAX_LINE)
    assert from_json((longest + end).decode()) == from_json(FRAME)
    assert list(read_records(lines_of(io.BytesIO(longest + end)))) == [from_json(FRAME)]
    with pytest.raises(LocalError, match="expected a record of at most 16 MiB"):
        list(read_records(lines_of(io.BytesIO(longest + b" " + end))))


@pytest.mark.parametrize("first", ["{", '{"'])
def test_a_line_that_is_cut_inside_a_character_is_too_long_and_not_without_text(first: str) -> None:
    file = io.BytesIO(f"{first}{'é' * MAX_LINE}".encode())
    with pytest.raises(LocalError, match=r'at most 16 MiB, got a longer line, "{.*"…$'):
        list(read_records(lines_of(file), "a.jsonl"))


def test_a_recording_is_read_to_its_end_and_octets_that_are_no_text_are_not_shown() -> None:
    assert list(read_records(lines_of(io.BytesIO(f"{FRAME}\n{FRAME}".encode())))) == [from_json(FRAME)] * 2
    for line in (b"\x7fELF\xb2\n", b'{"v":1,"\xb2\n'):
        with pytest.raises(LocalError, match=r"got octets that are no text$"):
            list(read_records([line], "a.jsonl"))


def test_a_recording_names_itself_and_the_line_that_is_no_record() -> None:
    lines = [FRAME, "", '{"v":1,"kind":"of a later version"}', FRAME, "{}"]
    assert list(read_records(lines[:-1], "a.jsonl")) == [from_json(FRAME)] * 2
    with pytest.raises(LocalError, match=r"^a.jsonl, line 5: expected a record"):
        list(read_records(lines, "a.jsonl"))


def built(hop: str | None, gap: float | None, line: str, data: bytes | None, *, cut: bool) -> FrameRecord:
    return FrameRecord(1, "gateway.sent", 1 / 3, 2, gap, 3, 4, line, 5, data, cut, not cut, "request", hop)


@given(
    st.builds(
        built,
        hop=st.none() | st.text(),
        gap=st.none() | st.floats(0, 1e9),
        line=st.text(),
        data=st.none() | st.binary(),
        cut=st.booleans(),
    )
)
def test_the_short_way_to_a_frames_line_gives_the_same_line(frame: FrameRecord) -> None:
    assert to_json(frame) == _record_json(frame, with_data=True)


def test_the_kernels_moment_is_kept_where_there_is_one() -> None:
    record = FrameRecord(1, "client.received", 0.25, 2, 0.1, 3, 4, "5", 5, b"hello", kernel=0.2)
    assert '"t":0.25,"kernel":0.2,"gap":0.1' in to_json(record)
    assert from_json(to_json(record)) == record
    assert '"kernel"' not in to_json(record._replace(kernel=None))
