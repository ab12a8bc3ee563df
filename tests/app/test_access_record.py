"""How a run gets in, as it is recorded and restored: everything but secrets."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import timedelta

import pytest

from fanout.app.access_record import recorded, restored
from fanout.model.errors import UsageError
from fanout.model.role import Hop, SessionPolicy, SessionTag
from fanout.model.settings import AccessSettings

HUB = "arn:aws:iam::111122223333:role/Hub"
NEXT = "arn:aws:iam::222233334444:role/Next"

FULL = AccessSettings(
    profile="ci",
    role="Deployer",
    external_id="s3cret-one",
    session_name="deploy",
    duration=timedelta(minutes=90),
    list_role="Lister",
    scoped=False,
    role_chain=(Hop(arn=HUB, external_id="s3cret-two"), Hop(arn=NEXT)),
    source_identity="ann",
    session_tags=(SessionTag(key="team", value="pay", transitive=True), SessionTag(key="env", value="")),
    session_policy=SessionPolicy(document='{"Version":"2012-10-17"}', origin="policy.json"),
    shorten=True,
    mfa_serial="arn:aws:iam::111122223333:mfa/ann",
    mfa_code="123456",
    sso="corp:Admin",
    cache=True,
    self_direct=True,
    allow_endpoints=("https://vpce.example",),
    assume_rate=20.0,
)
"""Every setting differs from its default, so that one that is forgotten is seen."""

SECRETS = {"external_id": "s3cret-one", "role_chain": FULL.role_chain}


def fingerprint(text: str) -> str:
    return f"hmac:{hash(('key', text)):x}"


def record(access: AccessSettings = FULL) -> dict[str, object]:
    """A record as it comes back from JSON."""
    return json.loads(json.dumps(recorded(access, fingerprint)))


def test_everything_is_restored_when_the_secrets_are_given_again():
    given = AccessSettings(external_id="s3cret-one", role_chain=FULL.role_chain, mfa_code="654321")

    assert restored(record(), given, fingerprint) == replace(FULL, mfa_code="654321", assume_rate=20.0)


def test_every_setting_is_tried_here():
    default = AccessSettings()

    assert [each.name for each in fields(FULL) if getattr(FULL, each.name) == getattr(default, each.name)] == []


def test_a_run_that_named_nothing_is_restored_as_it_was():
    assert restored(record(AccessSettings()), AccessSettings(), fingerprint) == AccessSettings()


def test_no_secret_is_in_a_record():
    text = json.dumps(record())

    assert not any(secret in text for secret in ("s3cret", "123456"))
    assert text.count("hmac:") == 2


def test_a_ledger_from_before_there_were_records_leaves_what_is_given():
    assert restored({}, FULL, fingerprint) == FULL


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "--external-id: an external id was given when this was planned, and it is kept nowhere"),
        ({"external_id": "s3cret-three"}, "--external-id: it is not the external id that was given"),
        ({"external_id": "s3cret-one"}, f"--role-chain {HUB}: an external id was given when this was planned"),
        (
            {"external_id": "s3cret-one", "role_chain": (Hop(arn=HUB, external_id="s3cret-three"), Hop(arn=NEXT))},
            f"--role-chain {HUB}: it is not the external id",
        ),
        (
            {
                "external_id": "s3cret-one",
                "role_chain": (replace(FULL.role_chain[0]), Hop(arn=NEXT, external_id="new")),
            },
            f"--role-chain {NEXT}: this was planned without an external id",
        ),
        ({"external_id": "s3cret-one", "role_chain": (Hop(arn=NEXT), Hop(arn=HUB))}, "--role-chain names other roles"),
        ({"external_id": "s3cret-one", "role_chain": (Hop(arn=HUB),)}, "--role-chain names other roles"),
        (SECRETS | {"role": "Admin"}, "the role Admin was given, and this was planned with Deployer"),
    ],
)
def test_what_is_missing_or_contradicts_the_record_is_refused_without_showing_secrets(given, says):
    with pytest.raises(UsageError) as caught:
        restored(record(), AccessSettings(**given), fingerprint)

    said = f"{caught.value.message} {caught.value.hint}"
    assert caught.value.message.startswith(says)
    assert not any(secret in said for secret in ("s3cret", "hmac"))


def test_a_role_where_none_was_named_is_refused_and_the_default_is_named():
    with pytest.raises(UsageError, match="the role Admin was given, and this was planned with the default role"):
        restored(record(AccessSettings()), AccessSettings(role="Admin"), fingerprint)


def test_an_external_id_where_none_was_given_is_refused():
    with pytest.raises(UsageError, match="--external-id: this was planned without an external id"):
        restored(record(AccessSettings()), AccessSettings(external_id="new"), fingerprint)


def test_who_comes_with_which_credentials_may_differ_and_nobody_goes_faster_than_either():
    given = AccessSettings(**SECRETS, profile="person", mfa_serial="arn:mfa/bob", assume_rate=5.0, role="Deployer")

    found = restored(record(), given, fingerprint)

    assert (found.profile, found.mfa_serial, found.assume_rate) == ("person", "arn:mfa/bob", 5.0)
    assert restored(record(), replace(given, assume_rate=80.0), fingerprint).assume_rate == 20.0


@pytest.mark.parametrize(
    "policy",
    [None, SessionPolicy(arn="arn:aws:iam::aws:policy/ReadOnlyAccess"), SessionPolicy(document="{}", origin="p")],
)
def test_a_session_policy_is_the_recorded_one_whatever_is_given(policy):
    kept = AccessSettings(session_policy=policy)

    assert (
        restored(record(kept), AccessSettings(session_policy=FULL.session_policy), fingerprint).session_policy == policy
    )
