"""What EC2 has once per account and region: the encryption of new volumes; and the regions themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.ec2.requests import filters_of, needed, stop_if_dry
from fanout.testing.ec2.shelves import DEFAULT_KEY, Shelves
from fanout.testing.ec2.values import xml
from fanout.testing.world import World


class Settings:
    """The settings of all accounts and regions, and the operations on them."""

    __slots__ = ("_shelves", "_world", "operations")

    def __init__(self, world: World, shelves: Shelves) -> None:
        self._world = world
        self._shelves = shelves
        self.operations: Mapping[str, Callable[[Call], str]] = {
            "GetEbsEncryptionByDefault": self._get_encryption,
            "EnableEbsEncryptionByDefault": self._set_encryption,
            "DisableEbsEncryptionByDefault": self._set_encryption,
            "GetEbsDefaultKmsKeyId": self._get_key,
            "ModifyEbsDefaultKmsKeyId": self._set_key,
            "ResetEbsDefaultKmsKeyId": self._set_key,
            "DescribeRegions": self._describe_regions,
        }

    def _begin(self, call: Call) -> None:
        call.caller.authorise("ec2", call.action, region=call.region)
        stop_if_dry(call)

    def _get_encryption(self, call: Call) -> str:
        self._begin(call)
        encrypts = self._shelves.peek(call.caller.account, call.region).encrypts
        return xml({"ebsEncryptionByDefault": encrypts, "sseType": "sse-kms" if encrypts else "none"})

    def _set_encryption(self, call: Call) -> str:
        self._begin(call)
        encrypts = call.action.startswith("Enable")
        self._shelves.make(call.caller.account, call.region).encrypts = encrypts
        return xml({"ebsEncryptionByDefault": encrypts})

    def _get_key(self, call: Call) -> str:
        self._begin(call)
        return xml({"kmsKeyId": self._shelves.peek(call.caller.account, call.region).key})

    def _set_key(self, call: Call) -> str:
        key = DEFAULT_KEY
        if call.action.startswith("Modify"):
            asked = needed(call, "KmsKeyId")
            stem = f"arn:{self._world.partition}:kms:{call.region}:{call.caller.account}:"
            key = (
                asked if asked.startswith("arn:") else stem + (asked if asked.startswith("alias/") else f"key/{asked}")
            )
        self._begin(call)
        self._shelves.make(call.caller.account, call.region).key = key
        return xml({"kmsKeyId": key})

    def _describe_regions(self, call: Call) -> str:
        """By default the regions that the account has enabled; with AllRegions those too that it has not."""
        self._begin(call)
        status = self._opt_in_status(call.caller.account)
        if call.text("AllRegions", "false") != "true":
            status = {name: state for name, state in status.items() if state != "not-opted-in"}
        if named := call.listed("RegionName"):
            if unknown := [name for name in named if name not in status]:
                raise RefusedError("InvalidParameterValue", f"Invalid region names: {', '.join(unknown)}")
            status = {name: status[name] for name in named}
        filters = filters_of(call)
        suffix = self._world.geography.suffix
        regions = [
            {"regionName": name, "regionEndpoint": f"ec2.{name}.{suffix}", "optInStatus": state}
            for name, state in status.items()
            if _region_passes(name, state, filters)
        ]
        return xml({"regionInfo": regions})

    def _opt_in_status(self, account_id: str) -> dict[str, str]:
        world = self._world
        enabled = world.enabled(account_id) if account_id in world.by_id else world.default_regions
        status = {}
        for name in world.all_regions:
            if name in world.default_regions and name in enabled:
                status[name] = "opt-in-not-required"
            else:
                status[name] = "opted-in" if name in enabled else "not-opted-in"
        return status


def _region_passes(name: str, state: str, filters: Mapping[str, Sequence[str]]) -> bool:
    values = {"region-name": name, "opt-in-status": state}
    for key, wanted in filters.items():
        if key not in values:
            raise RefusedError("InvalidParameterValue", f"The filter '{key}' is invalid")
        if values[key] not in wanted:
            return False
    return True
