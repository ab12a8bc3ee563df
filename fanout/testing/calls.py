"""One API call, as the simulated services see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fanout.testing.answers import RefusedError
from fanout.testing.identities import Identity


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose caller is known. `params` are flat text for the query protocols, a JSON document for the others.

    `source_ip` is where it came from and `user_agent` who says so; `now` is in seconds since the epoch.
    """

    service: str
    action: str
    region: str
    params: Mapping[str, Any]
    caller: Identity
    request_id: str
    now: float
    source_ip: str = "127.0.0.1"
    user_agent: str = ""

    def text(self, name: str, default: str = "") -> str:
        """A parameter as text."""
        return str(self.params.get(name, default))

    def listed(self, name: str) -> list[str]:
        """The values of a query-protocol list: `name.1`, `name.2`, ..."""
        return list(_numbered(self.params, name, ""))

    def listed_in(self, name: str, member: str) -> list[str]:
        """The values of one member over a query-protocol list of structures: `name.1.member`, `name.2.member`, ..."""
        return list(_numbered(self.params, name, f".{member}"))

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


def _numbered(params: Mapping[str, Any], name: str, ending: str) -> Iterator[str]:
    number = 1
    while (value := params.get(f"{name}.{number}{ending}")) is not None:
        yield value
        number += 1
