"""Combinations of options that cannot be, refused before anything runs."""

from __future__ import annotations

import pytest

from fanout.cli.checks import check_access
from fanout.cli.environment import World
from fanout.cli.resolve import Resolved, resolve
from fanout.model.errors import UsageError

ARN = "arn:aws:iam::111122223333:role/Hop"


def resolved(fanout, environ=None, **flags) -> Resolved:
    raw = {name.replace("_", "-"): value for name, value in flags.items()}
    home = {"FANOUT_HOME": str(fanout.home), "XDG_CONFIG_HOME": str(fanout.user_file.parents[1])}
    return resolve(raw, World({**home, **(environ or {})}, fanout.directory))


def refusal(found: Resolved) -> UsageError:
    with pytest.raises(UsageError) as caught:
        check_access(found)
    return caught.value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("external_id", "secret-id"),
        ("session_name", "me"),
        ("duration", "2h"),
        ("role_chain", [ARN]),
        ("source_identity", "jane"),
        ("session_tag", ["a=b"]),
        ("session_policy", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        ("mfa_serial", "arn:aws:iam::111122223333:mfa/me"),
        ("mfa_code", "123456"),
    ],
)
def test_what_identity_center_cannot_carry_is_refused_beside_sso_alone(fanout, name, value):
    check_access(resolved(fanout, **{name: value}))
    error = refusal(resolved(fanout, sso="corp", **{name: value}))
    assert error.message.startswith(f"--{name.replace('_', '-')} cannot go with --sso")
    assert "secret-id" not in error.message + error.hint


def test_what_goes_with_sso(fanout):
    check_access(resolved(fanout, sso="corp:Audit", role="Audit", shorten=True, list_role=ARN, accounts=["sso"]))


def test_what_files_say_of_roles_does_not_stand_in_the_way_of_sso(fanout):
    fanout.write("fanout.toml", 'external-id = "of-roles"\nduration = "2h"\n')
    check_access(resolved(fanout, sso="corp"))


def test_what_limits_sessions_is_not_dropped_quietly_wherever_it_was_said(fanout):
    error = refusal(resolved(fanout, {"FANOUT_SESSION_TAG": "team=x"}, sso="corp"))
    assert error.message.startswith("--session-tag (set in FANOUT_SESSION_TAG) cannot go with --sso")


def test_in_the_sandbox_only_what_was_typed_counts(fanout):
    check_access(resolved(fanout, {"FANOUT_SESSION_TAG": "team=x"}, sso="corp", sandbox=True))


def test_session_tags_must_fit_together(fanout):
    assert "was given twice" in refusal(resolved(fanout, session_tag=["Team=a", "team=b"])).message


@pytest.mark.parametrize("name", ["accounts", "only", "exclude"])
def test_the_accounts_of_a_login_need_one(fanout, name):
    error = refusal(resolved(fanout, **{name: ["sso"]}))
    assert error.message.startswith(f"--{name}: the term sso stands for the accounts of a login")
    check_access(resolved(fanout, sso="corp", **{name: ["sso"]}))


@pytest.mark.parametrize(
    "line", ["run describe-instances -a 111122223333", "accounts -a 111122223333", "regions -a sso"]
)
def test_every_verb_that_enters_accounts_checks(fanout, line):
    ran = fanout(*line.split(), "--sso", "corp", "--duration", "2h")
    assert ran.code == 2
    assert "--duration cannot go with --sso" in ran.err
