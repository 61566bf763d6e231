"""Enumerators of the protocol by their short names: "softmax" for KERNEL_SOFTMAX."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Enumeration(Protocol):
    """A generated enumeration."""

    def keys(self) -> Iterable[str]: ...
    def Value(self, name: str) -> int: ...
    def Name(self, number: int) -> str: ...


def value(argument: str, enumeration: Enumeration, prefix: str, name: str | None) -> int:
    """The number of a short name; 0 for None; ValueError listing the names there are."""
    if name is None:
        return 0
    names = [key[len(prefix) :].lower() for key in enumeration.keys() if not key.endswith("_UNSPECIFIED")]
    if name not in names:
        raise ValueError(f"{argument} is {name!r}, and must be one of {', '.join(names)}")
    return enumeration.Value(prefix + name.upper())


def short_name(enumeration: Enumeration, prefix: str, number: int) -> str:
    """The short name of a number; of one that this package does not know yet, the number."""
    try:
        return enumeration.Name(number)[len(prefix) :].lower()
    except ValueError:
        return str(number)
