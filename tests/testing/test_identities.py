"""Identities: what they may do by themselves, and what calls of other services tell about resources."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanout.testing import HubKey, SimRole, World
from fanout.testing.answers import RefusedError
from fanout.testing.identities import Identity, Vault
from fanout.testing.policies import Policy

WORLD = World.generate(3)
MEMBER = WORLD.accounts[1].id


def allow(action: str, resource: str = "*", **more) -> dict:
    return {"Statement": {"Effect": "Allow", "Action": action, "Resource": resource, **more}}


def vault_of(*, now: float = 1_000_000.0, **changes) -> Vault:
    return Vault(replace(WORLD, **changes), lambda: now)


def issued(vault: Vault, role: SimRole, **arguments) -> Identity:
    return vault.issue(MEMBER, role, "session", 2_000_000.0, None, **arguments)


def may(identity: Identity, action: str, **more) -> bool:
    try:
        identity.authorise("ec2", action, **more)
    except RefusedError:
        return False
    return True


def test_identity_without_a_world_has_only_its_actions():
    identity = Identity("k", "s", "", MEMBER, "arn", "id", allows=("ec2:Describe*",))
    assert may(identity, "DescribeVpcs")
    assert not may(identity, "RunInstances")
    assert identity.facts("eu-west-1")["aws:requestedregion"] == ("eu-west-1",)


def test_role_that_is_in_no_account_may_be_issued():
    role = SimRole(name="AWSReservedSSO_Ops_1", path="/aws-reserved/sso.amazonaws.com/", allows=("ec2:*",))
    identity = issued(vault_of(), role)
    assert identity.who.principal.endswith(":role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Ops_1")
    assert identity.arn.endswith(":assumed-role/AWSReservedSSO_Ops_1/session")
    assert may(identity, "DescribeVpcs")


def test_condition_sees_what_a_service_knows_of_its_resource():
    own = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    role = SimRole(name="R", tags={"Team": "web"}, inline={"own": allow("ec2:StartInstances", Condition=own)})
    identity = issued(vault_of(), role)
    assert may(identity, "StartInstances", context={"aws:resourcetag/team": ("web",)})
    assert not may(identity, "StartInstances", context={"aws:resourcetag/team": ("data",)})
    assert not may(identity, "StartInstances")


def test_session_policy_with_conditions_is_asked_each_time():
    policy = Policy.of(allow("*", Condition={"NumericLessThan": {"aws:EpochTime": "1000001"}}))
    times = iter([1_000_000.0, 1_000_000.0, 1_000_002.0])
    vault = Vault(WORLD, lambda: next(times))
    identity = vault.issue(MEMBER, WORLD.roles[0], "s", 2e6, policy)
    assert [may(identity, "DescribeVpcs") for _ in range(2)] == [True, False]


def test_code_is_good_once_whichever_key_of_the_user_it_comes_with():
    keys = [HubKey(key_id=f"AKIA{number}", mfa_serial="device", mfa_codes=("111111",)) for number in range(2)]
    vault = vault_of(hub_keys=tuple(keys))
    assert vault.device("arn:aws:iam::999900000000:user/hub") == "device"
    assert [vault.use_code("device", "111111") for _ in range(2)] == [True, False]
    assert not vault.use_code("other", "111111")


@pytest.mark.parametrize("known", [True, False])
def test_session_of_a_hub_is_of_its_role(known):
    name = "CMDBDiscovery" if known else "Elsewhere"
    key = HubKey(arn=f"arn:aws:sts::999900000000:assumed-role/{name}/job", token="t")
    vault = vault_of(hub_keys=(key,))
    hub = vault.find(key.key_id)
    assert hub.who.principal == f"arn:aws:iam::999900000000:role/{name}"
    assert hub.who.unique_id.startswith("AROA")
    assert hub.user_id.endswith(":job")
    assert hub.session.mfa is None


def test_key_of_nobody_is_not_found():
    vault = vault_of()
    identity = issued(vault, WORLD.roles[0])
    assert vault.find(identity.key_id) is identity
    vault.forget([identity.key_id, "AKIANOBODY"])
    assert vault.find(identity.key_id) is None
