"""S3 Control as botocore sees it: the block of public access of an account.

botocore puts the account's id before the host of the endpoint, which no resolver knows on loopback; whoever calls takes it
off again, before the request is signed.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from fanout.testing import HubKey, World

ALL = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
MANAGEMENT = "999900000000"


def without_account(params: dict[str, Any], **_: object) -> None:
    """Ask the endpoint itself, not a host below it."""
    url = urlsplit(params["url"])
    host = url.netloc.removeprefix(f"{params['headers']['x-amz-account-id']}.")
    params["url"] = url._replace(netloc=host).geturl()


@pytest.fixture
def control_of(serve):
    def make(world: World, account: str = ""):
        hub = serve(world)
        credentials = hub.assume(account, "OrganizationAccountAccessRole") if account else None
        client = hub.client("s3control", credentials)
        client.meta.events.register("before-call.s3-control", without_account)
        return client, hub.endpoint

    return make


def test_block_is_put_shown_and_deleted(control_of, code):
    world = World.generate(2)
    account = world.accounts[1].id
    control, endpoint = control_of(world, account)
    assert code(control.get_public_access_block, AccountId=account) == "NoSuchPublicAccessBlockConfiguration"
    control.put_public_access_block(AccountId=account, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    shown = control.get_public_access_block(AccountId=account)["PublicAccessBlockConfiguration"]
    assert shown == {**dict.fromkeys(ALL, False), "BlockPublicAcls": True}
    control.put_public_access_block(AccountId=account, PublicAccessBlockConfiguration=ALL)
    assert control.get_public_access_block(AccountId=account)["PublicAccessBlockConfiguration"] == ALL
    control.delete_public_access_block(AccountId=account)
    assert code(control.get_public_access_block, AccountId=account) == "NoSuchPublicAccessBlockConfiguration"
    first = endpoint.changes()[0]
    assert (first.service, first.action, first.account) == ("s3control", "PutPublicAccessBlock", account)
    assert first.params["PublicAccessBlockConfiguration"]["BlockPublicAcls"] is True


def test_other_account_is_refused(control_of, code):
    world = World.generate(2)
    control, _ = control_of(world, world.accounts[1].id)
    assert code(control.get_public_access_block, AccountId=MANAGEMENT) == "AccessDenied"


def test_permissions_are_those_of_the_account_level(control_of, code):
    control, _ = control_of(World.generate(1, hub_keys=(HubKey(allows=("s3:GetAccountPublicAccessBlock",)),)))
    assert code(control.get_public_access_block, AccountId=MANAGEMENT) == "NoSuchPublicAccessBlockConfiguration"
    wanted = {"AccountId": MANAGEMENT, "PublicAccessBlockConfiguration": ALL}
    assert code(control.put_public_access_block, **wanted) == "AccessDenied"
    assert code(control.delete_public_access_block, AccountId=MANAGEMENT) == "AccessDenied"
