"""The picture in README: one stream through a gateway that relays each frame, and through one that buffers.

`python -m bench.picture` runs both, stores the times of the frames in `pictures/ladder.json`, and draws them, light and
dark; with `--draw` it only draws.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from html import escape
from pathlib import Path

from bench.text import program_parser
from chunkwire.record.values import EndRecord, FrameRecord, RequestRecord, read_records
from tests.peers.command import chunkwire, serving

PICTURES = Path(__file__).resolve().parent / "pictures"
TARGET = "/generate?n=8&interval=150ms"
MODES = ("exact", "buffer")
PLACES = ("origin wrote", "gateway passed on", "client received")

WIDTH, HEIGHT, TOP, BOTTOM = 880, 400, 92, 28
COLUMNS = ((96, 226, 356), (540, 670, 800))
"""The x of the three lines of each ladder."""
PALETTES = {
    "light": {"ink": "#1f2328", "faint": "#d0d7de", "dim": "#59636e", "exact": "#0969da", "buffer": "#bc4c00"},
    "dark": {"ink": "#e6edf3", "faint": "#3d444d", "dim": "#9198a1", "exact": "#58a6ff", "buffer": "#f0883e"},
}
FONT = "ui-sans-serif,system-ui,sans-serif"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, store, draw."""
    parser = program_parser("picture", __doc__)
    parser.add_argument("--draw", action="store_true", help="draw the stored run")
    kept = PICTURES / "ladder.json"
    if not parser.parse_args(arguments).draw:
        kept.write_text(json.dumps({mode: run_through(mode) for mode in MODES}, indent=1) + "\n")
    for theme in PALETTES:
        PICTURES.joinpath(f"ladder-{theme}.svg").write_text(drawn(json.loads(kept.read_text()), theme))
    return 0


def run_through(mode: str) -> list[list[float]]:
    """Return when each frame was written, passed on and received, in ms since the client's request."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        origin = stack.enter_context(serving("serve", "--save", f"{folder}/origin"))
        words = ["--mode", mode, "--save", f"{folder}/gateway"]
        gateway = stack.enter_context(serving("forward", origin.url(""), *words))
        chunkwire("watch", "-q", gateway.url(TARGET), "--save", f"{folder}/client")
        stack.close()
        start, received = moments(folder / "client", "client.received")
        _, written = moments(folder / "origin", "origin.sent")
        _, passed = moments(folder / "gateway", "gateway.sent")
        if mode == "buffer":  # the gateway's one frame has all of the data
            passed = [passed[0]] * (len(written) - 1) + passed[-1:]
            received = [received[0]] * (len(written) - 1) + received[-1:]
        return [[round(1000 * (t - start), 2) for t in each] for each in zip(written, passed, received, strict=True)]


def moments(path: Path, point: str) -> tuple[float, list[float]]:
    """Return the moments of the request and of each frame at a point of a recording, s since the epoch."""
    with path.open("rb") as file:
        records = list(read_records(file, path.name))
    request = next(each for each in records if isinstance(each, RequestRecord))
    ends = [each.framing for each in records if isinstance(each, EndRecord) and each.point == point]
    assert ends == ["complete"], ends
    start = request.wall - request.t
    return start, [start + each.t for each in records if isinstance(each, FrameRecord) and each.point == point]


def drawn(kept: dict[str, list[list[float]]], theme: str) -> str:
    """Return the SVG of both ladders; the time axis points down."""
    colours = PALETTES[theme]
    last = max(t for frames in kept.values() for each in frames for t in each)
    scale = (HEIGHT - TOP - BOTTOM) / last
    parts = [
        part
        for mode, columns in zip(MODES, COLUMNS, strict=True)
        for part in ladder(mode, kept[mode], columns, scale, colours)
    ]
    parts += clock(last, scale, colours)
    title = "One stream through two gateways: exact passes each frame on at once, buffer holds all of them to the end."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="{FONT}"'
        f' font-size="13"><title>{escape(title)}</title>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def ladder(
    mode: str, frames: list[list[float]], columns: tuple[int, int, int], scale: float, colours: dict[str, str]
) -> Iterator[str]:
    """Yield one ladder: a vertical line for each place, and a line across them for each frame."""
    first = columns[0]
    heading = {"exact": "each frame passed on at once", "buffer": "held to the end"}[mode]
    yield text(first - 20, 26, f"forward --mode {mode}", colours[mode], "start", 'font-weight="600" font-size="15"')
    yield text(first - 20, 46, heading, colours["dim"], "start")
    for x, place in zip(columns, PLACES, strict=True):
        yield text(x, TOP - 14, place, colours["ink"], "middle", 'font-size="12"')
        yield f'<path d="M{x} {TOP - 6}V{HEIGHT - BOTTOM + 6}" stroke="{colours["faint"]}" stroke-width="2"/>'
    for each in frames:
        points = [(x, TOP + t * scale) for x, t in zip(columns, each, strict=True)]
        way = "L".join(f"{x} {y:.1f}" for x, y in points)
        yield f'<path d="M{way}" fill="none" stroke="{colours[mode]}" stroke-width="1.6"/>'
        yield "".join(f'<circle cx="{x}" cy="{y:.1f}" r="3" fill="{colours[mode]}"/>' for x, y in points)


def clock(last: float, scale: float, colours: dict[str, str]) -> Iterator[str]:
    """Yield the labels of the time axis."""
    for t in range(0, int(last) + 1, 300):
        yield text(44, TOP + t * scale + 4, f"{t} ms", colours["dim"], "end", 'font-size="11"')


def text(x: float, y: float, words: str, colour: str, anchor: str, more: str = "") -> str:
    """Return a text element."""
    return f'<text x="{x}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


if __name__ == "__main__":
    sys.exit(main())
