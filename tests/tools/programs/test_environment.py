"""What a program finds in its environment, and which tokens may stand in its arguments."""

from __future__ import annotations

import json

import pytest

from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.tools.programs.environment import about, check_tokens, clean, filled

ID = "111122223333"


@pytest.mark.parametrize(
    "name",
    [
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_VAULT",
        "FANOUT_EXTERNAL_ID",
        "FANOUT_MFA_CODE",
        "FANOUT_ACCOUNTS",
        "FANOUT_TAG_FORGED",
    ],
)
def test_what_would_mislead_or_is_secret_is_gone(name):
    assert clean({name: "of-the-caller", "PATH": "/bin"}) == {"PATH": "/bin"}


@pytest.mark.parametrize("name", ["HOME", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "HTTPS_PROXY", "FANOUT_HOME"])
def test_what_says_how_things_are_reached_stays(name):
    assert clean({name: "as it was"}) == {name: "as it was"}


def test_a_program_is_told_where_it_works():
    account = Account(id=ID, name="web; rm -rf /", tags={"cost-center": "$(id)", "team": "a"})
    found = about(account, "eu-west-1", "aws", "run-1")

    assert found == {
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCOUNT_ID": ID,
        "FANOUT_ACCOUNT_ID": ID,
        "FANOUT_ACCOUNT_NAME": "web; rm -rf /",
        "FANOUT_REGION": "eu-west-1",
        "FANOUT_PARTITION": "aws",
        "FANOUT_RUN_ID": "run-1",
        "FANOUT_TAG_COST_CENTER": "$(id)",
        "FANOUT_TAG_TEAM": "a",
        "FANOUT_TAGS": found["FANOUT_TAGS"],
    }
    assert json.loads(found["FANOUT_TAGS"]) == account.tags


def test_a_variable_that_two_tags_would_share_has_neither_and_the_json_has_both():
    found = about(Account(id=ID, tags={"team-a": "1", "team.a": "2", "x": "3"}), "eu-west-1", "aws", "run-1")

    assert "FANOUT_TAG_TEAM_A" not in found
    assert found["FANOUT_TAG_X"] == "3"
    assert json.loads(found["FANOUT_TAGS"]) == {"team-a": "1", "team.a": "2", "x": "3"}


def test_tokens_in_arguments_are_replaced_and_every_other_brace_stays():
    command = ["run", "{account_id}", "s3://b-{account_id}-{region}", "{partition}", "${X} {a: {}} {Region}"]

    found = filled(command, ID, "eu-west-1", "aws")

    assert found == ["run", ID, f"s3://b-{ID}-eu-west-1", "aws", "${X} {a: {}} {Region}"]


@pytest.mark.parametrize(
    ("command", "variable"),
    [
        (["sh", "-c", "echo {account_name}"], "FANOUT_ACCOUNT_NAME"),
        (["aws", "x{tag:cost-center}"], "FANOUT_TAG_COST_CENTER (with --tags)"),
    ],
)
def test_what_others_choose_is_no_argument_and_the_variable_is_named(command, variable):
    with pytest.raises(UsageError, match="chosen by others") as caught:
        check_tokens(command)
    assert variable in caught.value.hint


def test_which_program_runs_does_not_depend_on_the_target():
    with pytest.raises(UsageError, match="the name of the program holds a token"):
        check_tokens(["./{region}.sh"])
    check_tokens(["./x.sh", "{region}", "{account_id}", "{partition}", "{other}"])
