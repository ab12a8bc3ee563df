"""The simulated S3 Control: the block of public access of a whole account."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from fanout.testing.answers import RefusedError, Reply, s3_answer
from fanout.testing.calls import Call

PATH = "/v20180820/configuration/publicAccessBlock"
"""Where the operations are."""

ACTIONS = {
    "GET": "GetPublicAccessBlock",
    "PUT": "PutPublicAccessBlock",
    "DELETE": "DeletePublicAccessBlock",
}
"""The operation of each HTTP method."""

_NAMESPACE = "http://awss3control.amazonaws.com/doc/2018-08-20/"
_MEMBERS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_MEMBER = re.compile(rf"<({'|'.join(_MEMBERS)})>\s*(true|false)\s*</")


def configuration(body: bytes) -> Mapping[str, bool]:
    """The configuration that a request holds; what it leaves out is false.

    :raises RefusedError: if it holds none.
    """
    text = body.decode("utf-8", "replace")
    if "PublicAccessBlockConfiguration" not in text:
        message = "The XML you provided was not well-formed or did not validate against our published schema"
        raise RefusedError("MalformedXML", message)
    told = dict(_MEMBER.findall(text))
    return {name: told.get(name) == "true" for name in _MEMBERS}


class PublicAccess:
    """The blocks of all accounts; one is for an account, whatever the region."""

    __slots__ = ("_blocks", "_operations")

    def __init__(self) -> None:
        self._blocks: dict[str, Mapping[str, bool]] = {}
        self._operations: Mapping[str, Callable[[Call], Reply]] = {
            "GetPublicAccessBlock": self._get,
            "PutPublicAccessBlock": self._put,
            "DeletePublicAccessBlock": self._delete,
        }

    def answer(self, call: Call) -> Reply:
        """Carry a call out.

        :raises RefusedError: as S3 Control would refuse it.
        """
        verb = "Get" if call.action.startswith("Get") else "Put"
        call.caller.authorise("s3", f"{verb}AccountPublicAccessBlock", region=call.region)
        if call.text("AccountId") != call.caller.account:
            raise RefusedError("AccessDenied", "Access Denied", 403)
        return self._operations[call.action](call)

    def _get(self, call: Call) -> Reply:
        block = self._blocks.get(call.caller.account)
        if block is None:
            message = "The public access block configuration was not found"
            raise RefusedError("NoSuchPublicAccessBlockConfiguration", message, 404)
        members = "".join(f"<{name}>{str(value).lower()}</{name}>" for name, value in block.items())
        text = f'<PublicAccessBlockConfiguration xmlns="{_NAMESPACE}">{members}</PublicAccessBlockConfiguration>'
        return s3_answer(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode(), call.request_id)

    def _put(self, call: Call) -> Reply:
        self._blocks[call.caller.account] = call.params["PublicAccessBlockConfiguration"]
        return s3_answer(b"", call.request_id)

    def _delete(self, call: Call) -> Reply:
        self._blocks.pop(call.caller.account, None)
        return s3_answer(b"", call.request_id, status=204)
