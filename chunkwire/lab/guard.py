"""Which requests the lab accepts, and the fields that stop a browser from running a stream's content.

The rule here: pure; a request head in, a refusal, fields or nothing out. A page of another site can send requests to
loopback, and its own name may resolve to loopback (DNS rebinding). So the Host must be one of the lab's; a request that
a browser sends for a page of another site must not change the lab's state; and each request that changes something
needs the token of the learner's page, which other pages cannot read. `laboratory` says which check applies to which
resource.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import Final

from chunkwire.net.heads import Field, Request
from chunkwire.server.refusal import Refusal

TOKEN_FIELD: Final = b"chunkwire-token"
# Any name may resolve to loopback (DNS rebinding). These always mean the machine itself.
_LOOPBACK: Final = re.compile(r"127(?:\.\d{1,3}){3}|localhost|\[::1\]", re.ASCII)
# uri-host [ ":" port ]                                                 RFC 9110 §7.2
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::\d{1,5})?")

# A stream's Content-Type may be HTML: opened in a tab, it must not run as a page of the lab.
SANDBOXED: Final[tuple[Field, ...]] = (
    (b"Content-Security-Policy", b"sandbox; default-src 'none'"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)
_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGE_FIELDS: Final[tuple[Field, ...]] = (
    (b"Content-Security-Policy", _POLICY),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"same-origin"),  # in a class the path is the learner's secret
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Cache-Control", b"no-cache"),
)
# The clock of a page has steps of 5 µs if it is isolated from other origins, else of 100 µs (W3C High Resolution Time
# §7.1). Browsers isolate pages of loopback; for other pages without TLS they log a warning about these fields.
_ISOLATED: Final[tuple[Field, ...]] = (
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Embedder-Policy", b"require-corp"),
)


def page_fields(head: Request) -> tuple[Field, ...]:
    """Return the response fields of all but streams; they depend on the request's Host."""
    return (*PAGE_FIELDS, *_ISOLATED) if _is_loopback(host_name(head)) else PAGE_FIELDS


def host_name(head: Request) -> str | None:
    """Return the host of a request without its port, lower case; "" without a Host, None for a malformed one."""
    value = (head.get(b"host") or b"").decode("latin-1").strip()
    found = _HOST.fullmatch(value)
    return found[1].lower() if found else None if value else ""


def _is_loopback(name: str | None) -> bool:
    return name is not None and _LOOPBACK.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Guard:
    """Checks requests. A lab has the host names of loopback, and `hosts`.

    Args:
        hosts: names of a class, in lower case and without port.
    """

    hosts: frozenset[str] = frozenset()

    def check_host(self, head: Request) -> None:
        """Refuse a request with another Host, or a malformed one. Without a Host it is allowed: no browser sends it.

        Raises:
            Refusal: 421 (RFC 9110 §15.5.20).
        """
        name = host_name(head)
        if name != "" and name not in self.hosts and not _is_loopback(name):
            known = ", ".join(sorted(self.hosts)) or "127.0.0.1 and localhost"
            got = (head.get(b"host") or b"").decode("latin-1")
            raise Refusal(421, "lab-host", f"Host: expected a name of this lab ({known}), got {got!r:.80}")

    def check_site(self, head: Request) -> None:
        """Refuse a request that a browser sent for a page of another site.

        Raises:
            Refusal: 403.
        """
        origin, host = head.get(b"origin"), head.get(b"host") or b""
        is_foreign = origin is not None and origin not in (b"http://" + host, b"https://" + host)
        if is_foreign or head.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
            raise Refusal(403, "lab-origin", "expected a request of the lab's own page, got one of another site")

    def check_token(self, head: Request, token: str) -> None:
        """Refuse a request without the page's token.

        Raises:
            Refusal: 403.
        """
        if not hmac.compare_digest(head.get(TOKEN_FIELD) or b"", token.encode()):
            raise Refusal(403, "lab-token", "expected the token of the lab's page in Chunkwire-Token; load it again")
