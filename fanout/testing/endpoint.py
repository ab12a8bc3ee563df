"""Our own local AWS endpoint: STS, IAM, Organizations, EC2 and more of a simulated organization, on loopback.

In a test: `with Endpoint(World.generate(10)) as endpoint: ... endpoint.env() ... endpoint.stats()`. As a process:
`python -m fanout.testing.endpoint --accounts 1000 --latency 0.4 --port-per-region`, which prints one line of JSON when
it is ready and ends when its standard input does.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from anyio import to_thread
from anyio.from_thread import BlockingPortal, start_blocking_portal

from fanout.testing.changes import Change
from fanout.testing.desk import Desk
from fanout.testing.faults import FaultRule
from fanout.testing.server import Address, listening
from fanout.testing.statistics import Entry, Stats
from fanout.testing.world import HubKey, SimRole, World

_T = TypeVar("_T")
_FURTHER = (
    "instance_tags",
    "instance_disks",
    "interfaces",
    "image_seconds",
    "image_looks",
    "image_hidden_seconds",
    "image_hidden_looks",
    "image_failures",
    "power_seconds",
    "power_looks",
    "log_groups",
    "kms_keys",
    "vpcs",
)


class Endpoint:
    """A world, served in a thread of its own while the `with` block lasts.

    `log_size` is how many requests `log()` remembers, and how many changes `changes()`; `port_per_region` gives each region a port of its own besides the
    one for all.
    """

    def __init__(
        self, world: World | None = None, *, port_per_region: bool = False, port: int = 0, log_size: int = 10_000
    ) -> None:
        self.world = World.generate() if world is None else world
        self._port_per_region = port_per_region
        self._port = port
        self._desk = Desk(self.world, log_size=log_size)
        self._stack = ExitStack()
        self._running: tuple[BlockingPortal, Address] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal("asyncio"))
            serving = listening(self._desk, port=self._port, port_per_region=self._port_per_region)
            address = stack.enter_context(portal.wrap_async_context_manager(serving))
            self._running = (portal, address)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running = None
        self._stack.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """The port of all regions, as a URL."""
        return self._started()[1].url

    @property
    def region_urls(self) -> dict[str, str]:
        """The port of each region, as URLs; empty without `port_per_region`."""
        return dict(self._started()[1].regions)

    def env(self, *, region: str = "us-east-1", key: HubKey | None = None) -> dict[str, str]:
        """Environment variables that make an AWS client talk to this endpoint as the hub (or with another key)."""
        key = key or self.world.hub_keys[0]
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": key.key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret,
            **({"AWS_SESSION_TOKEN": key.token} if key.token else {}),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stats(self) -> Stats:
        """What was seen since the start or the last reset."""
        return self._do(self._desk.statistics.snapshot)

    def log(self) -> list[Entry]:
        """The last requests, in the order in which they came."""
        return self._do(lambda: list(self._desk.statistics.log))

    def changes(self) -> list[Change]:
        """The last calls that do not only read, in the order in which they came: what was carried out, what answered."""
        return self._do(self._desk.changes.all)

    def reset(self) -> None:
        """Count from zero, and forget the log and the changes; what was changed stays changed."""

        def forget() -> None:
            self._desk.statistics.reset()
            self._desk.changes.clear()

        self._do(forget)

    def set_latency(self, seconds: float) -> None:
        """Wait so long before each answer from now on."""
        self._do(lambda: setattr(self._desk, "latency", seconds))

    def set_faults(self, rules: Iterable[FaultRule]) -> None:
        """Play these fault rules from now on, instead of those there were."""
        self._do(lambda: self._desk.faults.replace(tuple(rules)))

    def add_fault(self, rule: FaultRule) -> None:
        """Play one more fault rule."""
        self._do(lambda: self._desk.faults.add(rule))

    def revoke(self, *key_ids: str) -> None:
        """Forget access keys: calls signed with them are refused as unknown."""
        self._do(lambda: self._desk.vault.forget(key_ids))

    def secrets(self) -> frozenset[str]:
        """Every secret key and session token that is good or was given out: what should be in no output and no file."""
        return self._do(self._desk.vault.secrets)

    def role(self, account_id: str, name: str) -> SimRole | None:
        """The role of a name as it was last written in an account, None where there is none (any more)."""
        standing = self._do(lambda: self._desk.vault.roles.latest(account_id, name))
        return None if standing is None else standing.role

    def advance(self, seconds: float) -> None:
        """Let time pass for credentials, MFA and IAM, without waiting; signatures are still dated by the real clock."""
        self._do(lambda: setattr(self._desk, "skipped", self._desk.skipped + seconds))

    def set_clock(self, moment: datetime | None) -> None:
        """Make it this moment (with a time zone) in the world, or (None) what it really is; time goes on from there."""

        def put() -> None:
            self._desk.skipped = 0.0
            if moment is not None:
                self._desk.skipped = moment.timestamp() - self._desk.now()

        self._do(put)

    def _started(self) -> tuple[BlockingPortal, Address]:
        if self._running is None:
            raise RuntimeError("the endpoint is not running; use it inside `with Endpoint(...) as endpoint:`")
        return self._running

    def _do(self, what: Callable[[], _T]) -> _T:
        """Do something on the endpoint's own thread: nothing is shared without that."""
        return self._started()[0].call(what)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a generated world until standard input ends."""
    options = _parser().parse_args(arguments)
    anyio.run(_serve, Desk(_world(options), log_size=options.log), options.port, options.port_per_region)


def _world(options: argparse.Namespace) -> World:
    return World.generate(
        options.accounts,
        suspended=options.suspended,
        instances=options.instances,
        latency=options.latency,
        credential_seconds=options.credential_seconds,
        partition=options.partition,
        regions=tuple(options.regions.split(",")) if options.regions else None,
        faults=tuple(FaultRule.from_json(rule) for rule in json.loads(options.faults)),
        consistency_seconds=options.consistency_seconds,
        scp_denies=tuple(options.scp_denies),
        source_ip=options.source_ip,
        hub_keys=(HubKey(mfa_serial=options.mfa_serial, mfa_codes=tuple(options.mfa_code)),),
        **_further(options.world),
    )


def _further(text: str) -> dict[str, Any]:
    """Fields of World that have no option of their own, from JSON.

    :raises ValueError: if one is not among them, or the text is no JSON object.
    """
    told = json.loads(text)
    if not isinstance(told, dict) or (unknown := sorted(set(told) - set(_FURTHER))):
        wrong = ", ".join(unknown) if isinstance(told, dict) else text
        raise ValueError(f"--world takes a JSON object with {', '.join(_FURTHER)}; it has {wrong}")
    for name in ("interfaces", "image_failures"):
        if name in told:
            told[name] = tuple(told[name])
    if "instance_tags" in told:
        told["instance_tags"] = {int(every): tags for every, tags in told["instance_tags"].items()}
    return told


async def _serve(desk: Desk, port: int, port_per_region: bool) -> None:
    async with listening(desk, port=port, port_per_region=port_per_region) as address:
        sys.stdout.write(json.dumps(_ready(desk.world, address)) + "\n")
        sys.stdout.flush()
        await to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)


def _ready(world: World, address: Address) -> dict[str, Any]:
    keys = [{"key_id": key.key_id, "secret": key.secret, "account": key.account} for key in world.hub_keys]
    return {
        "url": address.url,
        "regions": address.regions,
        "hub_keys": keys,
        "accounts": len(world.accounts),
        "management_id": world.management_id,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fanout.testing.endpoint", description=__doc__)
    parser.add_argument("--accounts", type=int, default=10, help="accounts, the management account among them")
    parser.add_argument("--suspended", type=int, default=0, help="how many of them are suspended")
    parser.add_argument("--instances", type=int, default=5, help="instances per account and region")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--credential-seconds", type=float, help="how long assumed credentials live")
    parser.add_argument("--regions", help="the regions enabled by default, with commas between them")
    parser.add_argument("--partition", default="aws", help="aws, aws-us-gov or aws-cn")
    parser.add_argument("--port", type=int, default=0, help="the port for all regions (0: any free one)")
    parser.add_argument("--port-per-region", action="store_true", help="a port of its own for each region, too")
    parser.add_argument("--faults", default="[]", help="fault rules as a JSON list")
    parser.add_argument("--consistency-seconds", type=float, default=0.0, help="how long IAM's changes stay unseen")
    parser.add_argument("--scp-denies", action="append", default=[], help="an action or resource glob; may be repeated")
    parser.add_argument("--source-ip", help="the address that all calls seem to come from")
    parser.add_argument("--mfa-serial", help="the ARN of the hub user's MFA device")
    parser.add_argument("--mfa-code", action="append", default=[], help="a code that works once; may be repeated")
    parser.add_argument("--world", default="{}", help=f"a JSON object with any of {', '.join(_FURTHER)}")
    parser.add_argument(
        "--log", type=int, default=0, help="how many requests and changes /_fanout/log and changes remember"
    )
    return parser


if __name__ == "__main__":
    main()
