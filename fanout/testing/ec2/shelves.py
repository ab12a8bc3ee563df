"""What was changed in EC2, per account and region; an account that nobody changed has no shelf and costs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.testing.ec2.instances import Instance

DEFAULT_KEY = "alias/aws/ebs"
"""The key that encrypts volumes where no other was chosen."""


@dataclass(slots=True)
class Ripening:
    """Something that is not yet what it will be: until the moment `at` has come, and it was looked at `looks` times.

    `at` is in seconds since the epoch.
    """

    at: float
    looks: int = 0

    def ripe(self, now: float) -> bool:
        """Whether it has become what it will be."""
        return self.looks <= 0 and now >= self.at

    def look(self, now: float) -> bool:
        """The same, counted as a look where it has not."""
        if self.ripe(now):
            return True
        self.looks -= 1
        return False


@dataclass(slots=True)
class Power:
    """An instance that was told to start or stop: from `passing` (pending, stopping) to `target`."""

    passing: str
    target: str
    ripening: Ripening
    since: float


@dataclass(slots=True, kw_only=True)
class Image:
    """An image and what it is made of. `shared_with` are account ids, and `all` for everybody.

    `ripening` is how it becomes available, `hiding` how it comes to be shown at all; `source_region` is that of a copy.
    `disks` are pairs of device and snapshot id.
    """

    id: str
    owner: str
    name: str
    description: str
    created: float
    disks: tuple[tuple[str, str], ...]
    ripening: Ripening
    hiding: Ripening
    instance: str = ""
    source_image: str = ""
    source_region: str = ""
    windows: bool = False
    fails: bool = False
    shared_with: set[str] = field(default_factory=set)

    def state(self, now: float) -> str:
        """What EC2 calls its state."""
        if not self.ripening.ripe(now):
            return "pending"
        return "failed" if self.fails else "available"


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """A snapshot of a volume. `key` is the ARN or alias of the key that encrypts it, empty where none does."""

    id: str
    owner: str
    volume: str
    description: str
    created: float
    ripening: Ripening
    size: int = 8
    key: str = ""
    fails: bool = False
    shared_with: set[str] = field(default_factory=set)

    def state(self, now: float) -> str:
        """What EC2 calls its status."""
        if not self.ripening.ripe(now):
            return "pending"
        return "error" if self.fails else "completed"


@dataclass(frozen=True, slots=True)
class LaunchTemplate:
    """A launch template of one version. `created` is in seconds since the epoch, `creator` an ARN."""

    id: str
    name: str
    image: str
    created: float
    creator: str

    @property
    def tags(self) -> Mapping[str, str]:
        """It bears none."""
        return {}

    def attribute(self, name: str) -> tuple[str, ...] | None:
        """The values that a filter compares; None where there is no such filter here."""
        return (self.image,) if name == "image-id" else None


@dataclass(slots=True)
class Shelf:
    """The changed state of one account and region.

    `tags` are the whole tags of things whose tags were changed; `gone` are the ids of what was deleted, `detached` those
    of internet gateways; `copies` are what was asked and the image made, by client token; `launched` are instances besides
    those that are generated.
    """

    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    powers: dict[str, Power] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    detached: set[str] = field(default_factory=set)
    copies: dict[str, tuple[Mapping[str, str], str]] = field(default_factory=dict)
    launched: list[Instance] = field(default_factory=list)
    templates: list[LaunchTemplate] = field(default_factory=list)
    encrypts: bool = False
    key: str = DEFAULT_KEY

    def tags_of(self, identifier: str, generated: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """The tags of a thing: as they were changed, else those it was generated with."""
        changed = self.tags.get(identifier)
        return (generated or {}) if changed is None else changed


class Shelves:
    """The shelves of all accounts and regions that were changed."""

    __slots__ = ("_numbers", "_shelves")

    def __init__(self) -> None:
        self._shelves: dict[tuple[str, str], Shelf] = {}
        self._numbers = count(1)

    def peek(self, account: str, region: str) -> Shelf:
        """A shelf to read from; what is written to one that was never made is lost."""
        found = self._shelves.get((account, region))
        return Shelf() if found is None else found

    def make(self, account: str, region: str) -> Shelf:
        """A shelf to write to."""
        found = self._shelves.get((account, region))
        if found is None:
            found = self._shelves[account, region] = Shelf()
        return found

    def of_region(self, region: str) -> Iterator[Shelf]:
        """The shelves of all accounts in a region."""
        return (shelf for (_, each), shelf in self._shelves.items() if each == region)

    def new_id(self, prefix: str) -> str:
        """An id that nothing else has, such as `ami-0fa0…`."""
        return f"{prefix}-0fa0{next(self._numbers):013x}"

    def __len__(self) -> int:
        return len(self._shelves)
