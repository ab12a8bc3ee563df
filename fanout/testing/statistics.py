"""What the endpoint saw, counted: the independent record that tests and benchmarks judge a run by."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request in the log. `account` signed it; `target` is the account that an AssumeRole asks to enter.

    Calls to the portal of Identity Center are not signed: their `account` is the one they ask about, if any.
    `at` is seconds since the epoch; `code` is empty where the call was carried out and answered.
    """

    at: float
    service: str
    action: str
    account: str
    target: str
    region: str
    key_id: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts at one moment.

    `requests` by "service:Action"; `assume_role` by the account to be entered; `calls` by "service:Action", then the
    account that signed, then region; `by_key` by access key id; `errors` by code; `expired` calls came with credentials past their
    end, `wrong_signatures` with a signature that does not hold; `in_flight` are requests, by service in
    `max_in_flight_of`; connections are counted over all ports, and by port in `max_connections_of`.
    """

    requests: Mapping[str, int]
    assume_role: Mapping[str, int]
    calls: Mapping[str, Mapping[str, Mapping[str, int]]]
    by_key: Mapping[str, int]
    errors: Mapping[str, int]
    wrong_signatures: int
    expired: int
    in_flight: int
    max_in_flight: int
    max_in_flight_of: Mapping[str, int]
    connections: int
    max_connections: int
    max_connections_of: Mapping[int, int]
    connections_opened: int

    @property
    def total(self) -> int:
        """All API requests."""
        return sum(self.requests.values())

    @property
    def describes(self) -> Mapping[str, Mapping[str, int]]:
        """The DescribeInstances calls by signing account, then region."""
        return self.calls.get("ec2:DescribeInstances", {})

    def as_json(self) -> dict[str, Any]:
        """Plain values, as GET /_fanout/stats gives them."""
        return {"total": self.total, **asdict(self), "describes": self.describes}


@dataclass(slots=True)
class Statistics:
    """The running counts; kept by the endpoint's own thread only."""

    log: deque[Entry]
    requests: Counter[str] = field(default_factory=Counter)
    assume_role: Counter[str] = field(default_factory=Counter)
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    by_key: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    wrong_signatures: int = 0
    expired: int = 0
    flying: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    max_in_flight: int = 0
    max_in_flight_of: Counter[str] = field(default_factory=Counter)
    connections: Counter[int] = field(default_factory=Counter)
    open: int = 0
    max_connections: int = 0
    max_connections_of: Counter[int] = field(default_factory=Counter)
    connections_opened: int = 0

    def count(self, entry: Entry) -> None:
        """One more request."""
        name = f"{entry.service}:{entry.action}"
        self.requests[name] += 1
        if entry.key_id:
            self.by_key[entry.key_id] += 1
        if entry.code:
            self.errors[entry.code] += 1
        if entry.target:
            self.assume_role[entry.target] += 1
        if entry.account:
            self.calls[name, entry.account, entry.region] += 1
        if self.log.maxlen:
            self.log.append(entry)

    def begins(self, service: str) -> None:
        """A request is in flight."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.flying[service] += 1
        self.max_in_flight_of[service] = max(self.max_in_flight_of[service], self.flying[service])

    def ends(self, service: str) -> None:
        """A request is answered, or given up by its client."""
        self.in_flight -= 1
        self.flying[service] -= 1

    def connected(self, port: int) -> None:
        """A connection was made to a port."""
        self.connections_opened += 1
        self.open += 1
        self.max_connections = max(self.max_connections, self.open)
        self.connections[port] += 1
        self.max_connections_of[port] = max(self.max_connections_of[port], self.connections[port])

    def disconnected(self, port: int) -> None:
        """A connection to a port has ended."""
        self.open -= 1
        self.connections[port] -= 1

    def reset(self) -> None:
        """Count from zero; what is in flight and open now stays known, and is the new highest."""
        for counter in (self.requests, self.assume_role, self.calls, self.by_key, self.errors):
            counter.clear()
        self.log.clear()
        self.wrong_signatures = self.expired = self.connections_opened = 0
        self.max_in_flight, self.max_connections = self.in_flight, self.open
        self.max_in_flight_of, self.max_connections_of = Counter(self.flying), Counter(self.connections)

    def snapshot(self) -> Stats:
        """The counts as they are now."""
        calls: dict[str, dict[str, dict[str, int]]] = {}
        for (name, account, region), count in self.calls.items():
            calls.setdefault(name, {}).setdefault(account, {})[region] = count
        return Stats(
            requests=dict(self.requests),
            assume_role=dict(self.assume_role),
            calls=calls,
            by_key=dict(self.by_key),
            errors=dict(self.errors),
            wrong_signatures=self.wrong_signatures,
            expired=self.expired,
            in_flight=self.in_flight,
            max_in_flight=self.max_in_flight,
            max_in_flight_of=dict(self.max_in_flight_of),
            connections=self.open,
            max_connections=self.max_connections,
            max_connections_of=dict(self.max_connections_of),
            connections_opened=self.connections_opened,
        )
