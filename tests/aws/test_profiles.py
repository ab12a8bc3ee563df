"""The way of a named profile is that of the AWS CLI: through source_profile, to keys."""

from __future__ import annotations

import pytest

from fanout.aws.profiles import ProfileHop, way_of
from fanout.model.errors import UsageError

KEYS = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "s"}
DEVICE = "arn:aws:iam::999900000000:mfa/me"


def role(name: str, source: str, **more: str) -> dict[str, str]:
    return {"role_arn": f"arn:aws:iam::111122223333:role/{name}", "source_profile": source, **more}


def hop(profile: str, name: str, **more) -> ProfileHop:
    return ProfileHop(profile=profile, role_arn=f"arn:aws:iam::111122223333:role/{name}", **more)


def test_hops_are_in_the_order_in_which_they_are_assumed():
    profiles = {"user": KEYS, "jump": role("Jump", "user"), "end": role("End", "jump")}

    way = way_of(profiles, "end")

    assert way is not None
    assert (way.start, way.hops, way.mfa_serial) == ("user", (hop("jump", "Jump"), hop("end", "End")), None)
    assert way.account_id == "111122223333"


def test_keys_of_a_role_are_read():
    more = {"external_id": "x-1", "duration_seconds": "1800", "role_session_name": "me", "mfa_serial": DEVICE}

    way = way_of({"user": KEYS, "end": role("End", "user", **more)}, "end")

    assert way is not None
    assert way.hops == (hop("end", "End", external_id="x-1", duration=1800, session_name="me"),)
    assert (way.mfa_serial, way.asks) == (DEVICE, "end")


def test_a_profile_may_name_itself_and_then_starts_with_its_own_keys():
    way = way_of({"both": {**KEYS, **role("End", "both")}}, "both")

    assert way is not None
    assert (way.start, way.hops) == ("both", (hop("both", "End"),))


@pytest.mark.parametrize(
    "keys",
    [
        KEYS,
        {"credential_process": "x"},
        {"role_arn": "arn:aws:iam::111122223333:role/X", "credential_source": "Environment"},
        {"role_arn": "arn:aws:iam::111122223333:role/X", "web_identity_token_file": "/x"},
        {"sso_session": "corp", "sso_account_id": "111122223333"},
    ],
)
def test_other_profiles_are_left_to_the_sdk(keys):
    assert way_of({"one": keys}, "one") is None


def test_a_way_that_starts_with_a_role_of_another_kind_is_left_to_the_sdk():
    web = {"role_arn": "arn:aws:iam::111122223333:role/X", "web_identity_token_file": "/x"}
    assert way_of({"web": web, "end": role("End", "web")}, "end") is None


def test_an_unknown_profile_has_no_way():
    assert way_of({}, "nobody") is None


@pytest.mark.parametrize(
    ("profiles", "why"),
    [
        ({"a": role("A", "b")}, "source_profile 'b', which does not exist"),
        ({"a": role("A", "b"), "b": role("B", "a")}, "a → b → a go in a circle"),
        ({"a": {**role("A", "k"), "role_arn": "A"}, "k": KEYS}, "not the ARN of a role"),
        ({"a": role("A", "k", duration_seconds="1"), "k": KEYS}, "duration_seconds '1'"),
        (
            {"a": role("A", "k", credential_source="Environment"), "k": KEYS},
            "both source_profile and credential_source",
        ),
    ],
)
def test_a_broken_chain_of_profiles_is_named(profiles, why):
    with pytest.raises(UsageError) as caught:
        way_of(profiles, "a")
    assert why in caught.value.message
