"""Public names of a package that are loaded at their first use (PEP 562).

Importing the package is then cheap. A package lists each of its public names twice: as an import under TYPE_CHECKING,
for type checkers, and in the table that `load_name` reads at run time.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any


def load_name(package: str, modules: Mapping[str, tuple[str, ...]], name: str, *, packages: Sequence[str] = ()) -> Any:
    """Return the value of a public name, and set it in the package, so that its `__getattr__` is called once per name.

    Args:
        modules: the names that are loaded from each module.
        packages: names of packages inside this one, which are loaded the same way.

    Raises:
        AttributeError: the package has no such name; the message suggests a name, or lists all.
    """
    for module, names in modules.items():
        if name in names:
            value = getattr(importlib.import_module(module), name)
            setattr(importlib.import_module(package), name, value)
            return value
    if name in packages:
        return importlib.import_module(f"{package}.{name}")
    from chunkwire.wire.nearest import near_or_all

    known = [*packages, *(each for names in modules.values() for each in names)]
    raise AttributeError(f"module {package!r} has no attribute {name!r}{near_or_all(name, known)}")
