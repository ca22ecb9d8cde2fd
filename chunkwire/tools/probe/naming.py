"""What a hop says it is: Server, Via, X-Powered-By, and the marks of vendors.

The rule here: its own words only. A proxy may pass on what is said further in, or add its own name to it: what the hop
before says as well is not this one's.
"""

from __future__ import annotations

from typing import Final

from chunkwire.tools.probe.arrival import Run

_NAMING: Final = ("server", "via", "x-powered-by")
# Fields by which vendors' hops are known that do not name themselves.
_MARKS: Final = {
    "cf-ray": "Cloudflare",
    "x-amz-cf-id": "CloudFront",
    "apigw-requestid": "API Gateway",
    "x-amz-apigw-id": "API Gateway",
    "x-envoy-upstream-service-time": "Envoy",
    "x-fastly-request-id": "Fastly",
}


def own_names(run: Run, before: Run | None) -> str:
    """Return what the hop says it is, without what the hop before says too."""
    own = [said for name in _NAMING for said in _said(run, name) if said not in _said(before, name)]
    mode = run.said("chunkwire-mode")
    if mode and (before is None or before.said("chunkwire-mode") != mode):
        own.append(f"Chunkwire-Mode: {mode}")
    marks = [mark for name, mark in _MARKS.items() if run.said(name) and (before is None or not before.said(name))]
    return ", ".join(dict.fromkeys((*own, *marks)))


def names_passed_on(run: Run, before: Run | None) -> str:
    """Return what the hop says of itself just as the hop before does: its own name, or the other's passed on."""
    same = [run.said(name) for name in _NAMING if before is not None and run.said(name) == before.said(name)]
    return ", ".join(dict.fromkeys(name for name in same if name))


def _said(run: Run | None, name: str) -> list[str]:
    """Return the members of a field that names software."""
    parts = run.said(name).split(",") if run is not None else []
    return [said for part in parts if (said := part.strip())]
