"""Where profiles begin, and what AWS takes in them."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from fanout.app.entering import Keys
from fanout.app.profiling import Chosen, Way
from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.model.settings import AccessSettings
from fanout.tools.profiles.entries import key_profile, portal_profile, rendered, start_of

WEB = Account(id="111122223333", name="web")


def chosen(method: str, profile: str = "default") -> Chosen:
    return Chosen(ways=(), left_out=(), notes=(), profile=profile, method=method, hops=(), partition="aws")


@pytest.mark.parametrize(
    ("method", "access", "asked", "key", "value"),
    [
        ("env", None, None, "credential_source", "Environment"),
        ("iam-role", None, None, "credential_source", "Ec2InstanceMetadata"),
        ("container-role", None, None, "credential_source", "EcsContainer"),
        ("shared-credentials-file", None, None, "source_profile", "default"),
        ("sso", "hub", None, "source_profile", "hub"),
        ("env", "hub", None, "source_profile", "hub"),
        ("env", None, "hub", "source_profile", "hub"),
    ],
)
def test_profiles_begin_where_the_source_credentials_are(method, access, asked, key, value):
    start = start_of(chosen(method), AccessSettings(profile=access), asked, ["default", "hub"])

    assert (start.key, start.value) == (key, value)


@pytest.mark.parametrize(("existing", "hint"), [((), "export AWS_"), (("hub",), "hub"), (("defaul",), "did you mean")])
def test_a_profile_to_begin_with_that_is_not_there_is_refused(existing, hint):
    with pytest.raises(UsageError, match="'default'") as caught:
        start_of(chosen("assume-role-with-web-identity"), AccessSettings(), None, existing)

    assert hint in caught.value.hint


def test_a_portals_profile_names_its_permission_set():
    profile = portal_profile("web", Way(account=WEB, role="Audit", role_arn=""), "corp", "eu-west-1")

    assert rendered([profile], bare=False).endswith(
        "[profile web]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Audit\nregion = eu-west-1\n"
    )
    with pytest.raises(UsageError, match="no permission set"):
        portal_profile("web", Way(account=WEB, role="", role_arn=""), "corp", None)


def test_keys_say_when_they_end():
    keys = Keys(access_key="A", secret_key="S", token="T", expiration=datetime(2026, 1, 2, 3, tzinfo=timezone.utc))

    profile = key_profile("web", Way(account=WEB, role="R", role_arn=""), keys, None)

    assert rendered([profile], bare=True).endswith(
        "[web]\naws_access_key_id = A\naws_secret_access_key = S\naws_session_token = T\n"
        "x_security_token_expires = 2026-01-02T03:00:00Z\n"
    )
    assert "'S'" not in repr(profile)
