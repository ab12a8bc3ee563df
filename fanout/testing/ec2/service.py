"""EC2 of one world: which operation goes where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fanout.testing.answers import RefusedError, Reply, ec2_answer
from fanout.testing.calls import Call
from fanout.testing.ec2 import absent
from fanout.testing.ec2.images import Images
from fanout.testing.ec2.launching import Launching
from fanout.testing.ec2.network_actions import Networks
from fanout.testing.ec2.power import Instances
from fanout.testing.ec2.settings import Settings
from fanout.testing.ec2.shelves import Shelves
from fanout.testing.ec2.snapshots import Snapshots
from fanout.testing.ec2.tags import Tagged, Tags
from fanout.testing.world import World


class Ec2:
    """EC2 of one world; an account sees what is its own, in one region, and the images that others share with it."""

    __slots__ = ("_instances", "_networks", "_operations", "shelves", "tags")

    def __init__(self, world: World) -> None:
        self.shelves = Shelves()
        self._instances = Instances(world, self.shelves)
        self._networks = Networks(world, self.shelves, self._instances)
        images = Images(world, self.shelves, self._instances)
        self.tags = Tags(world, self.shelves, self.things)
        self._operations: Mapping[str, Callable[[Call], str]] = {
            **self._instances.operations,
            **images.operations,
            **Snapshots(world, self.shelves, images).operations,
            **Launching(world, self.shelves, images).operations,
            **self.tags.operations,
            **self._networks.operations,
            **absent.operations(),
            **Settings(world, self.shelves).operations,
        }

    @property
    def operations(self) -> frozenset[str]:
        """The names of the operations that are simulated."""
        return frozenset(self._operations)

    def answer(self, call: Call) -> Reply:
        """Carry a call out.

        :raises RefusedError: as EC2 would refuse it.
        """
        operation = self._operations.get(call.action)
        if operation is None:
            raise RefusedError("InvalidAction", f"The action {call.action} is not valid for this web service.")
        return ec2_answer(call.action, operation(call), call.request_id)

    def things(self, account: str, region: str, now: float) -> Iterator[Tagged]:
        """Everything that may bear tags in an account and region."""
        shelf = self.shelves.peek(account, region)
        for instance in self._instances.of(account, region, now):
            yield Tagged(instance.id, "instance", instance.tags)
            for _, volume in instance.volumes():
                yield Tagged(volume, "volume", shelf.tags_of(volume))
        for part in self._networks.parts(account, region, now):
            yield Tagged(part.id, part.kind, part.tags)
        for image in shelf.images:
            yield Tagged(image, "image", shelf.tags_of(image))
        for snapshot in shelf.snapshots:
            yield Tagged(snapshot, "snapshot", shelf.tags_of(snapshot))
