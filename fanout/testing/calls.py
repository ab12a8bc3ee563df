"""One API call, as the simulated services see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fanout.testing.answers import RefusedError
from fanout.testing.identities import Identity


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated call. `params` are flat text for the query protocols, a JSON document for Organizations."""

    service: str
    action: str
    region: str
    params: Mapping[str, Any]
    caller: Identity
    request_id: str
    now: float

    def text(self, name: str, default: str = "") -> str:
        """A parameter as text."""
        return str(self.params.get(name, default))

    def listed(self, name: str) -> list[str]:
        """The values of a query-protocol list: `name.1`, `name.2`, ..."""
        return list(_numbered(self.params, name))

    def number(self, name: str) -> int | None:
        """A whole number, None where it is absent.

        :raises RefusedError: if it is not one.
        """
        text = self.params.get(name)
        if text is None:
            return None
        try:
            return int(text)
        except (TypeError, ValueError):
            raise RefusedError("ValidationError", f"1 validation error detected: {name} is not a number") from None


def _numbered(params: Mapping[str, Any], name: str) -> Iterator[str]:
    number = 1
    while (value := params.get(f"{name}.{number}")) is not None:
        yield value
        number += 1
