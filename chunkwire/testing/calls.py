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

_STARS: Final[dict[object, str]] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
_ONE_LIST: Final = ": several responses are one list, such as ['one', 'two']"


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Return the function; a call with arguments that it does not take raises a LocalError that lists them."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        signature = _signature(function)
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            taken = {name: _STARS.get(each.kind, "") + name for name, each in signature.parameters.items()}
            taken.pop("self", None)
            names = list(taken)
            hint = next((near(name, names) for name in kwargs if name not in names), "")
            if "responses" in names and "positional" in str(error):
                hint = _ONE_LIST
            name = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]
            raise LocalError(f"{name}: {error}; it takes {', '.join(taken.values()) or 'none'}{hint}") from error
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


class SuggestsNames:
    """A base class: an unknown attribute suggests the nearest one."""

    if not TYPE_CHECKING:  # a type checker would take every name for an attribute

        def __getattr__(self, name: str) -> object:
            known = [each for each in dir(self) if not each.startswith("_")]
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{near(name, known)}")


class CheckedApi(SuggestsNames):
    """A base class whose public methods are `checked`."""

    def __init_subclass__(cls) -> None:
        for name, value in list(vars(cls).items()):
            if inspect.isfunction(value) and (name == "__init__" or not name.startswith("_")):
                setattr(cls, name, checked(value))
