"""Instances seen, stopped and started."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.ec2.instances import CODES, Instance, instance_xml, instances_of, with_changes
from fanout.testing.ec2.requests import arn, chosen, may, not_found, page_of, stop_if_dry
from fanout.testing.ec2.shelves import Power, Ripening, Shelves
from fanout.testing.ec2.values import xml
from fanout.testing.world import SimAccount, World

_MISSING = ("InvalidInstanceID.NotFound", "InstanceId")


class Instances:
    """The instances of all accounts, and the operations on them."""

    __slots__ = ("_shelves", "_world", "operations")

    def __init__(self, world: World, shelves: Shelves) -> None:
        self._world = world
        self._shelves = shelves
        self.operations: Mapping[str, Callable[[Call], str]] = {
            "DescribeInstances": self._describe,
            "StopInstances": self._stop,
            "StartInstances": self._start,
        }

    def of(self, account: str, region: str, now: float, shown: Collection[str] = ()) -> list[Instance]:
        """The instances of an account in a region, as they stand; `shown` are ids whose states somebody is shown."""
        owner = self._world.by_id.get(account) or SimAccount(id=account, instances=0)
        shelf = self._shelves.peek(account, region)
        return with_changes(instances_of(self._world, owner, region) + shelf.launched, shelf, now, shown)

    def named(self, call: Call, identifier: str) -> Instance:
        """An instance of the caller's.

        :raises RefusedError: if there is none of that id.
        """
        _check_form(identifier)
        mine = self.of(call.caller.account, call.region, call.now)
        found = next((each for each in mine if each.id == identifier), None)
        if found is None:
            may(call, arn(call, self._world.partition, "instance", identifier))
            raise not_found(_MISSING, identifier)
        return found

    def _describe(self, call: Call) -> str:
        account = call.caller.account
        call.caller.authorise("ec2", call.action, region=call.region)
        stop_if_dry(call)
        shown = call.listed("InstanceId") or tuple(self._shelves.peek(account, call.region).powers)
        found = chosen(self.of(account, call.region, call.now, shown), call, "InstanceId", _MISSING)
        page, token = page_of(found, call, "InstanceId")
        partition = self._world.partition
        items = "".join([instance_xml(each, account, call.region, partition) for each in page])
        return f"<reservationSet>{items}</reservationSet>{token}"

    def _stop(self, call: Call) -> str:
        return self._switch(call, "stopped", "stopping", "running")

    def _start(self, call: Call) -> str:
        return self._switch(call, "running", "pending", "stopped")

    def _switch(self, call: Call, target: str, passing: str, before: str) -> str:
        """All of the instances or none; one that is there already, or on its way, stays as it is."""
        wanted = list(dict.fromkeys(call.listed("InstanceId")))
        if not wanted:
            raise RefusedError("MissingParameter", "The request must contain the parameter InstanceId")
        instances = [self.named(call, each) for each in wanted]
        for each in instances:
            may(call, arn(call, self._world.partition, "instance", each.id), tags=each.tags)
        for each in instances:
            if each.state not in (target, passing, before):
                verb = "stopped" if target == "stopped" else "started"
                message = f"The instance '{each.id}' is not in a state from which it can be {verb}."
                raise RefusedError("IncorrectInstanceState", message)
        stop_if_dry(call)
        for each in instances:
            if each.state == before:
                ripening = Ripening(call.now + self._world.power_seconds, self._world.power_looks)
                shelf = self._shelves.make(call.caller.account, call.region)
                shelf.powers[each.id] = Power(passing, target, ripening, call.now)
        changes = [
            {"instanceId": each.id, "currentState": _state(passing if each.state == before else each.state)}
            | {"previousState": _state(each.state)}
            for each in instances
        ]
        return xml({"instancesSet": changes})


def _check_form(identifier: str) -> None:
    if not identifier.startswith("i-"):
        raise RefusedError("InvalidInstanceID.Malformed", f'Invalid id: "{identifier}" (expecting "i-...")')


def _state(name: str) -> dict[str, str | int]:
    return {"code": CODES[name], "name": name}
