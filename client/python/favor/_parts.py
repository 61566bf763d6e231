"""Long lists, asked for by several requests."""

from __future__ import annotations

import re
from dataclasses import dataclass

from favor.errors import FavorError, FieldViolation


@dataclass(frozen=True)
class Part:
    """A request of items of a list that follow one another."""

    request: bytes
    """Encoded."""
    list_name: str = ""
    """As errors of the server name it: its item i is `list_name[i]`."""
    first: int = 0
    """Place of its first item in the whole list."""

    def of_whole(self, error: FavorError) -> FavorError:
        """An error of this request, items numbered as in the whole list."""
        if self.first == 0:
            return error
        violations = [
            FieldViolation(self._renumber(violation.field), self._renumber(violation.description))
            for violation in error.field_violations
        ]
        return type(error)(error.code, self._renumber(error.message), tuple(violations), error.retry_delay)

    def _renumber(self, text: str) -> str:
        def item(found: re.Match[str]) -> str:
            return f"{self.list_name}[{int(found[1]) + self.first}]"

        return re.sub(rf"\b{self.list_name}\[(\d+)\]", item, text)
