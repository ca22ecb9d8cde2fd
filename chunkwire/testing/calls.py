"""Wrong calls of the testing API: one line that says what a function takes, or which name was probably meant.

The rule here: only the names of arguments and attributes. What a value means is checked where it is used.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, wraps
from inspect import Parameter
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, get_type_hints

from chunkwire.wire.errors import LocalError
from chunkwire.wire.nearest import near

P = ParamSpec("P")
T = TypeVar("T")

_ONE_LIST: Final = ": several responses are one list, such as ['one', 'two']"


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Return the function; a call with arguments that it does not take raises a LocalError that lists them."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        signature = _signature(function)
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            names = [name for name in signature.parameters if name != "self"]
            hint = next((near(name, names) for name in kwargs if name not in names), "")
            if "responses" in names and "positional" in str(error):
                hint = _ONE_LIST
            name = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]
            raise LocalError(f"{name}: {error}; it takes {', '.join(names) or 'none'}{hint}") from error
        return function(*args, **kwargs)

    return call


@cache
def _signature(function: Callable[..., object]) -> inspect.Signature:
    """Return the signature, in which the members of a TypedDict stand in place of `**options: Unpack[…]`."""
    signature, hints = inspect.signature(function), get_type_hints(function)
    parameters: list[Parameter] = []
    for parameter in signature.parameters.values():
        unpacked: Any = hints.get(parameter.name)
        if parameter.kind is Parameter.VAR_KEYWORD and hasattr(unpacked, "__args__"):
            names = unpacked.__args__[0].__annotations__
            parameters += [Parameter(name, Parameter.KEYWORD_ONLY, default=None) for name in names]
        else:
            parameters.append(parameter)
    return signature.replace(parameters=parameters)


class CheckedApi:
    """A base class: calls of public methods are `checked`, and an unknown attribute suggests the nearest one."""

    def __init_subclass__(cls) -> None:
        for name, value in list(vars(cls).items()):
            if inspect.isfunction(value) and (name == "__init__" or not name.startswith("_")):
                setattr(cls, name, checked(value))

    if not TYPE_CHECKING:  # a type checker would take every name for an attribute

        def __getattr__(self, name: str) -> object:
            known = [each for each in dir(self) if not each.startswith("_")]
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{near(name, known)}")
