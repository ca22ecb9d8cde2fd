"""What software a hop says it is: Server, Via, X-Powered-By, and the fields that vendors add.

The rule here: a proxy may pass on the names that hops further in gave, or add its own. A name that the hop before gives
as well is not this one's.
"""

from __future__ import annotations

from typing import Final

from chunkwire.tools.probe.arrival import Run

_NAMING: Final = ("server", "via", "x-powered-by")
# Fields that vendors add whose hops give no name.
_MARKS: Final = {
    "cf-ray": "Cloudflare",
    "x-amz-cf-id": "CloudFront",
    "apigw-requestid": "API Gateway",
    "x-amz-apigw-id": "API Gateway",
    "x-envoy-upstream-service-time": "Envoy",
    "x-fastly-request-id": "Fastly",
}


def own_names(run: Run, before: Run | None) -> str:
    """Return the names that the hop gives and the hop before does not."""
    own = [said for name in _NAMING for said in _said(run, name) if said not in _said(before, name)]
    mode = run.said("chunkwire-mode")
    if mode and (before is None or before.said("chunkwire-mode") != mode):
        own.append(f"Chunkwire-Mode: {mode}")
    marks = [mark for name, mark in _MARKS.items() if run.said(name) and (before is None or not before.said(name))]
    return ", ".join(dict.fromkeys((*own, *marks)))


def names_passed_on(run: Run, before: Run | None) -> str:
    """Return the names that both hops give: this one's own, or the other's passed on."""
    same = [run.said(name) for name in _NAMING if before is not None and run.said(name) == before.said(name)]
    return ", ".join(dict.fromkeys(name for name in same if name))


def _said(run: Run | None, name: str) -> list[str]:
    """Return the members of a field that names software."""
    parts = run.said(name).split(",") if run is not None else []
    return [said for part in parts if (said := part.strip())]
