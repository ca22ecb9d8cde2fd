"""Resources, and how a request finds its resource.

The rule here: a resource is a value: path, responder, summary, and an example that works. No module registers resources
when it is imported.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from functools import partial
from inspect import Signature, getattr_static, iscoroutinefunction, signature
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from chunkwire.net.heads import Request
from chunkwire.server.query import shown
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.wire.errors import LocalError
from chunkwire.wire.nearest import near

ResponderFunction: TypeAlias = Callable[[IncomingRequest, Responder], Awaitable[None]]

# Methods of RFC 9110 §9 and RFC 5789. If a resource does not allow one, the status is 405 (501 for CONNECT); any other
# method gets 501.
KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_COMMON_PARAMETERS: Final = frozenset({"nonce"})  # identifies a run in the journal; every resource takes it
_PATH: Final = re.compile(r"(?:/(?:[^/{}<>?#\s]|\{[A-Za-z_]\w*\})*)+(?:/\{[A-Za-z_]\w*\*\})?", re.ASCII)
# An argument of a shell command, with the flag in front of it.
_ARGUMENT: Final = re.compile(r"(?:-[dHoTX] )?(?:'[^']*'|[^' ])+")
_PLACEHOLDER: Final = re.compile(r"\{(\w+\*?)\}")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a server.

    Attributes:
        path: such as `/stream/{n}`; a placeholder is one segment or a part of it, percent-decoded; `{rest*}` at the end
            is all the rest, perhaps "".
        responder: the async function that answers the request; a partial of one, or an object with an async `__call__`.
        summary: one line for the list at `/`.
        example: arguments of `curl -sN`; `{origin}` is replaced by scheme, host and port of the request.
        methods: GET includes HEAD. The server answers OPTIONS itself, unless it is listed here.
        parameters: names allowed in the query, besides `nonce`; None allows any.
        is_list: it lists the others: a 404 points to it. Only for one at `/`.

    Raises:
        LocalError: a value that is not valid; the message names the resource.
    """

    path: str
    responder: ResponderFunction
    summary: str = ""
    example: str = ""
    methods: tuple[str, ...] = ("GET",)
    parameters: Set[str] | None = frozenset()
    is_list: bool = False

    def __post_init__(self) -> None:
        _check(self.path, self.responder, self.methods, self.parameters)

    @property
    def allowed(self) -> tuple[str, ...]:
        """The methods as an Allow field lists them."""
        head = ("HEAD",) if "GET" in self.methods else ()
        return (*dict.fromkeys((*self.methods, *head, "OPTIONS")),)


class Routes:
    """The resources of one server; `/` lists them unless one of them is at `/`.

    Raises:
        LocalError: a value that is no resource, or two resources at one path.
    """

    def __init__(self, resources: Iterable[Resource]) -> None:
        resources = _listed(resources)
        if all(resource.path != "/" for resource in resources):
            resources = (_index(tuple(resources)), *resources)
        self.resources = tuple(resources)
        self._exact = {resource.path: resource for resource in resources if "{" not in resource.path}
        self._has_list = self._exact["/"].is_list
        self._patterns = [(_pattern(resource.path), resource) for resource in resources if "{" in resource.path]

    def find(self, head: Request) -> tuple[Resource, Mapping[str, str]]:
        """Return the resource of a request, and the values of the placeholders in its path.

        Raises:
            Refusal: 404 (in the other methods as well), 405 with Allow, or 501 for CONNECT and unknown methods.
        """
        method = head.method.decode("latin-1")
        if method not in KNOWN_METHODS:
            is_lower = method.upper() in KNOWN_METHODS
            hint = f"; methods are case-sensitive: write {method.upper()} in capitals" if is_lower else ""
            raise Refusal(501, "unknown-method", f"expected a method of HTTP, got {shown(method)!r}{hint}")
        if method == "CONNECT":
            raise Refusal(501, "connect", "expected a request for a resource: this server is no tunnel")
        resource, captures = self._match(head)
        if method not in resource.allowed:
            allow = ", ".join(resource.allowed)
            message = f"{resource.path}: expected one of {allow}, got {method}"
            raise Refusal(405, "method", message, fields=((b"Allow", allow.encode()),))
        return resource, captures

    def answers_options(self, head: Request) -> bool:
        """Say whether a request is an OPTIONS that the resource answers itself."""
        if head.method != b"OPTIONS" or head.target == b"*":
            return False
        return "OPTIONS" in self._match(head)[0].methods

    def allowed(self, head: Request) -> bytes:
        """Return the value of Allow for the target of a request; the target `*` is the whole server."""
        if head.target == b"*":
            found = {method for resource in self.resources for method in resource.allowed}
            return ", ".join(sorted(found)).encode()
        return ", ".join(self._match(head)[0].allowed).encode()

    def _match(self, head: Request) -> tuple[Resource, Mapping[str, str]]:
        path = head.target.partition(b"?")[0].decode("latin-1")
        if resource := self._exact.get(unquote(path)):
            return resource, {}
        for pattern, candidate in self._patterns:
            if found := pattern.fullmatch(path):
                return candidate, {name: unquote(value) for name, value in found.groupdict().items()}
        wrong = shown(unquote(path))
        nearest = near(wrong, [resource.path for resource in self.resources])
        where = "; GET / lists them" if self._has_list else ""
        raise Refusal(404, "not-found", f"no resource at {wrong}{where}{nearest}")


def known_parameters(resource: Resource) -> frozenset[str] | None:
    """Return the parameter names that a resource takes, None for any."""
    return None if resource.parameters is None else _COMMON_PARAMETERS.union(resource.parameters)


def _check(path: object, responder: Callable[..., object], methods: object, parameters: object) -> None:
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise LocalError(f"expected a path like /stream or /stream/{{n}}, got {path!r:.80}")
    names = [name.rstrip("*") for name in _PLACEHOLDER.findall(path)]
    if len(set(names)) < len(names):
        raise LocalError(f"{path}: expected each placeholder once")
    if not _is_async(responder):
        got = getattr(responder, "__qualname__", repr(responder))
        raise LocalError(f"{path}: expected an async function (async def, no yield) as the responder, got {got!s:.80}")
    if (other := _other_signature(responder)) is not None:
        raise LocalError(f"{path}: expected a responder that takes (request, response), got {other}")
    if not isinstance(methods, tuple) or not methods or not KNOWN_METHODS.issuperset(methods):
        raise LocalError(f"{path}: expected methods as in ('GET', 'POST'), got {methods!r:.80}")
    if parameters is not None and not isinstance(parameters, Set):
        raise LocalError(f"{path}: expected parameters as in {{'n', 'interval'}}, or None, got {parameters!r:.80}")


def _is_async(function: Any) -> bool:
    """Say whether a value is an async function, or calls one: as a partial, a decorated function or an object."""
    if iscoroutinefunction(function) or iscoroutinefunction(getattr_static(type(function), "__call__", None)):
        return True
    # Static, as an object may make an attribute of any name.
    inner = function.func if isinstance(function, partial) else getattr_static(function, "__wrapped__", None)
    return inner is not None and _is_async(inner)


def _other_signature(function: Callable[..., object]) -> Signature | None:
    """Return the signature of a function that does not take two arguments; None if it does, or is not known."""
    try:
        found = signature(function, follow_wrapped=False)  # a decorator's own: it may take what the inner one does not
    except (TypeError, ValueError):
        return None
    try:
        found.bind(None, None)
    except TypeError:
        return found
    return None


def _listed(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Check the resources, and return them; paths that differ only in the names of placeholders are the same."""
    if isinstance(resources, Resource):
        raise LocalError("expected a list of resources, got a single one")
    listed, paths = tuple(resources), set[str]()
    for resource in listed:
        if not isinstance(resource, Resource):
            raise LocalError(f"expected a Resource, got {type(resource).__name__}")
        shape = _PLACEHOLDER.sub("{}", resource.path)
        if shape in paths:
            raise LocalError(f"expected one resource a path, got two at {resource.path}")
        paths.add(shape)
    return listed


def _index(resources: tuple[Resource, ...]) -> Resource:
    """Return the resource `/` that lists the others."""

    async def index(request: IncomingRequest, response: Responder) -> None:
        host = (request.head.get(b"host") or b"127.0.0.1").decode("latin-1")
        await response.text(200, list_text(resources, f"{request.scheme}://{host}"))

    return Resource("/", index, "this list", "{origin}/", is_list=True)


def list_text(resources: tuple[Resource, ...], origin: str) -> str:
    """Return the text that lists each resource, with a summary and a command to try it if it has them."""
    lines = ["chunkwire: each chunk is written by hand, at its own moment. What there is:", ""]
    for resource in resources:
        lines.append(f"{' '.join(resource.methods)} {resource.path}")
        if resource.summary:
            lines += _in_lines(resource.summary)
        if resource.parameters:
            lines += _in_lines(f"parameters: {', '.join(sorted(resource.parameters))}")
        if resource.example:
            lines += _command_lines(f"curl -sN {resource.example.replace('{origin}', origin)}")
        lines.append("")
    return "\n".join(lines)


def _in_lines(text: str) -> list[str]:
    """Return indented text in lines of whole words for a terminal of 80 columns; further lines are indented deeper."""
    wrap = textwrap.TextWrapper(80, " " * 4, " " * 8, break_long_words=False, break_on_hyphens=False)
    return wrap.wrap(text)


def _command_lines(command: str) -> list[str]:
    """Return an indented command in lines for a terminal of 80 columns, to be copied: a backslash continues a line.

    It is split between arguments only, so that one may be longer than a line; a short flag is kept with its value.
    """
    lines: list[str] = []
    for argument in _ARGUMENT.findall(command):
        if lines and len(lines[-1]) + len(argument) + len(" \\") < 80:
            lines[-1] += f" {argument}"
        else:
            lines.append(f"{' ' * (8 if lines else 4)}{argument}")
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]


def _pattern(path: str) -> re.Pattern[str]:
    literals_and_names = _PLACEHOLDER.split(path)
    literals_and_names[::2] = map(re.escape, literals_and_names[::2])
    literals_and_names[1::2] = (
        f"(?P<{name[:-1]}>.*)" if name.endswith("*") else f"(?P<{name}>[^/]+)" for name in literals_and_names[1::2]
    )
    return re.compile("".join(literals_and_names))
