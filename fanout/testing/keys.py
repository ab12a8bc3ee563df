"""The simulated KMS, as far as to say which keys there are: DescribeKey and ListAliases; nothing is encrypted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from fanout.testing.answers import RefusedError, Reply, json_answer
from fanout.testing.calls import Call
from fanout.testing.world import World

_MADE = 1704067200.0
_OF_AWS = ("alias/aws/ebs", "alias/aws/s3", "alias/aws/ssm")


class Keys:
    """The keys of one world, the same in each account and region."""

    __slots__ = ("_operations", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._operations: Mapping[str, Callable[[Call], Mapping[str, Any]]] = {
            "DescribeKey": self._describe,
            "ListAliases": self._list_aliases,
        }

    def answer(self, call: Call) -> Reply:
        """Carry a call out.

        :raises RefusedError: as KMS would refuse it.
        """
        operation = self._operations.get(call.action)
        if operation is None:
            raise RefusedError("UnknownOperationException", f"this endpoint does not simulate kms:{call.action}")
        return json_answer(operation(call), call.request_id)

    def _arn(self, call: Call, what: str) -> str:
        return f"arn:{self._world.partition}:kms:{call.region}:{call.caller.account}:{what}"

    def _describe(self, call: Call) -> Mapping[str, Any]:
        """By id, by alias, or by the ARN of either."""
        asked = call.text("KeyId")
        name = asked.removeprefix(self._arn(call, "")).removeprefix("key/")
        state = "Enabled" if name in _OF_AWS else self._world.kms_keys.get(name)
        key_id = _key_id(call, name)
        arn = self._arn(call, f"key/{key_id}")
        call.caller.authorise("kms", call.action, resource=arn, region=call.region)
        if state is None:
            what = f"Alias {asked} is not found." if name.startswith("alias/") else f"Key '{asked}' does not exist"
            raise RefusedError("NotFoundException", what)
        return {
            "KeyMetadata": {
                "AWSAccountId": call.caller.account,
                "KeyId": key_id,
                "Arn": arn,
                "CreationDate": _MADE,
                "Enabled": state == "Enabled",
                "KeyState": state,
                "Description": "",
                "KeyUsage": "ENCRYPT_DECRYPT",
                "KeySpec": "SYMMETRIC_DEFAULT",
                "Origin": "AWS_KMS",
                "KeyManager": "AWS" if name in _OF_AWS else "CUSTOMER",
                "MultiRegion": False,
            }
        }

    def _list_aliases(self, call: Call) -> Mapping[str, Any]:
        call.caller.authorise("kms", call.action, region=call.region)
        names = sorted({*_OF_AWS, *(name for name in self._world.kms_keys if name.startswith("alias/"))})
        told = [
            {"AliasName": name, "AliasArn": self._arn(call, name), "TargetKeyId": _key_id(call, name)} for name in names
        ]
        return {"Aliases": told, "Truncated": False}


def _key_id(call: Call, name: str) -> str:
    """The id of a key, which an alias stands for in each account and region."""
    if not name.startswith("alias/"):
        return name
    digest = sha256(f"{call.caller.account}/{call.region}/{name}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
