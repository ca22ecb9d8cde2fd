"""The pages of `chunkwire help`: protocols that other programs may implement, and reference. Each is Markdown.

The rule here: `chunkwire help NAME` prints a page, and the lab serves it. Where a page repeats a table of the code
(scenarios, parameters, members), a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Final


@dataclass(frozen=True, slots=True)
class ProtocolPage:
    """A page: its file, and a summary in one line."""

    package: str
    file: str
    summary: str

    def text(self) -> str:
        """Return the page, in Markdown."""
        return resources.files(self.package).joinpath(self.file).read_text("utf-8")


PAGES: Final = {
    "/probe": ProtocolPage(__name__, "probe.md", "events that say when they were due and when they were written"),
    "barrier": ProtocolPage(__name__, "barrier.md", "frames that wait for an acknowledgement: proof without a clock"),
    "scenarios": ProtocolPage(__name__, "scenarios.md", "every legal and every broken way to send a stream, by name"),
    "control": ProtocolPage("chunkwire.testing", "README.md", "runs of the origin, driven by tests in any language"),
    "record": ProtocolPage(__name__, "record.md", "one JSON object a line: what was seen on the wire, and when"),
    "server": ProtocolPage(__name__, "server.md", "the rules of a handler of your own, on chunkwire.server"),
    "many": ProtocolPage(__name__, "many.md", "a bench on many machines: ssh, Dask, Kubernetes"),
    "limits": ProtocolPage(__name__, "limits.md", "what is refused, and from which size on"),
    "changes": ProtocolPage("chunkwire", "CHANGES.md", "what each version brought"),
}

OTHER_NAMES: Final = {"client": "server", "testing": "control"}


def page_of(name: str) -> ProtocolPage | None:
    """Return the page of this name, with or without its slash; None where there is none."""
    return PAGES.get(name) or PAGES.get(f"/{name}")
