"""The portal of Identity Center: who gets which credentials, and how a login ends or is renewed."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fanout.testing import World
from fanout.testing.portal import SimLogin

MANY = World.generate(120)
IDS = [account.id for account in MANY.accounts]
LOGIN = SimLogin(
    token="portal-token",
    refresh_token="portal-refresh",
    assignments={**dict.fromkeys(IDS[:-1], ("Admin", "Look")), IDS[0]: tuple(f"Set{n:03d}" for n in range(130))},
    permissions={"Look": ("ec2:Describe*",)},
)


def world(**change: Any) -> World:
    return World(accounts=MANY.accounts, **{"logins": (LOGIN,), **change})


def code(call, **arguments) -> tuple[int, str]:
    with pytest.raises(ClientError) as error:
        call(accessToken=arguments.pop("token", LOGIN.token), **arguments)
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def as_keys(credentials: dict) -> dict:
    names = {"AccessKeyId": "accessKeyId", "SecretAccessKey": "secretAccessKey", "SessionToken": "sessionToken"}
    return {new: credentials[old] for new, old in names.items()}


def test_accounts_and_permission_sets_come_in_pages(serve):
    sso = serve(world()).client("sso")
    pages = list(sso.get_paginator("list_accounts").paginate(accessToken=LOGIN.token))
    assert [each["accountId"] for page in pages for each in page["accountList"]] == IDS[:-1]
    assert len(pages) == 2
    assert pages[0]["accountList"][0]["accountName"] == "management"
    assert pages[0]["accountList"][0]["emailAddress"] == f"aws+{IDS[0]}@example.com"
    sets = sso.get_paginator("list_account_roles").paginate(accessToken=LOGIN.token, accountId=IDS[0], maxResults=50)
    assert [len(page["roleList"]) for page in sets] == [50, 50, 30]


def test_credentials_are_those_of_the_permission_sets_role(serve):
    hub = serve(world())
    told = hub.client("sso").get_role_credentials(accessToken=LOGIN.token, accountId=IDS[1], roleName="Look")
    credentials = told["roleCredentials"]
    assert 3590_000 < credentials["expiration"] - time.time() * 1000 <= 3600_000
    who = hub.client("sts", as_keys(credentials)).get_caller_identity()
    assert who["Arn"].startswith(f"arn:aws:sts::{IDS[1]}:assumed-role/AWSReservedSSO_Look_")
    assert who["Arn"].endswith("/operator@example.com")
    assert hub.client("ec2", as_keys(credentials)).describe_vpcs()["Vpcs"]
    with pytest.raises(ClientError, match="ssm:GetParameter"):
        hub.client("ssm", as_keys(credentials)).get_parameter(Name="/x")


@pytest.mark.parametrize(("account", "name"), [(IDS[1], "Other"), (IDS[-1], "Admin"), ("123456789012", "Admin")])
def test_what_is_not_assigned_is_forbidden(serve, account, name):
    sso = serve(world()).client("sso")
    assert code(sso.get_role_credentials, accountId=account, roleName=name) == (403, "ForbiddenException")


def test_unknown_and_expired_tokens_are_unauthorized(serve):
    expired = SimLogin(token="old", assignments=LOGIN.assignments, expires=time.time() - 1)
    sso = serve(world(logins=(LOGIN, expired))).client("sso")
    assert code(sso.list_accounts, token="old") == (401, "UnauthorizedException")
    assert code(sso.list_accounts, token="nobody") == (401, "UnauthorizedException")
    assert sso.list_accounts(accessToken=LOGIN.token)["accountList"]


def test_token_is_good_in_the_region_of_the_login_alone(serve):
    hub = serve(world(), port_per_region=True)
    urls = hub.endpoint.region_urls
    assert hub.client("sso", url=urls["us-east-1"]).list_accounts(accessToken=LOGIN.token)["accountList"]
    elsewhere = hub.client("sso", url=urls["eu-west-1"])
    assert code(elsewhere.list_accounts) == (401, "UnauthorizedException")


def test_more_calls_than_the_portal_takes_are_throttled(serve):
    hub = serve(world(portal_rate=0.001))
    sso = hub.client("sso")
    assert sso.list_accounts(accessToken=LOGIN.token)["accountList"]
    assert code(sso.list_accounts) == (429, "TooManyRequestsException")
    stats = hub.endpoint.stats()
    assert stats.requests == {"sso:ListAccounts": 2}
    assert stats.errors == {"TooManyRequestsException": 1}
    assert stats.max_in_flight_of == {"sso": 1}


def test_calls_count_by_the_account_that_they_ask_about(serve):
    hub = serve(world())
    hub.client("sso").get_role_credentials(accessToken=LOGIN.token, accountId=IDS[3], roleName="Look")
    assert list(hub.endpoint.stats().calls["sso:GetRoleCredentials"]) == [IDS[3]]


def test_token_is_dead_after_logout(serve):
    sso = serve(world()).client("sso")
    sso.logout(accessToken=LOGIN.token)
    assert code(sso.list_accounts) == (401, "UnauthorizedException")


def refresh(hub, **change) -> dict:
    told = {"clientId": LOGIN.client_id, "clientSecret": LOGIN.client_secret, "refreshToken": LOGIN.refresh_token}
    return hub.client("sso-oidc").create_token(grantType="refresh_token", **{**told, **change})


def test_refresh_token_gives_a_new_access_token_once(serve):
    expired = SimLogin(
        token=LOGIN.token, refresh_token=LOGIN.refresh_token, assignments=LOGIN.assignments, expires=time.time() - 1
    )
    hub = serve(world(logins=(expired,)))
    told = refresh(hub)
    assert (told["tokenType"], told["expiresIn"]) == ("Bearer", 28800)
    assert hub.client("sso").list_accounts(accessToken=told["accessToken"])["accountList"]
    with pytest.raises(ClientError, match="InvalidGrantException"):
        refresh(hub)
    assert refresh(hub, refreshToken=told["refreshToken"])["accessToken"] != told["accessToken"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"clientSecret": "wrong"}, "InvalidClientException"),
        ({"refreshToken": "wrong"}, "InvalidGrantException"),
        ({"grantType": "authorization_code"}, "UnsupportedGrantTypeException"),
    ],
)
def test_token_is_not_renewed_for_just_anybody(serve, change, expected):
    told = {"clientId": LOGIN.client_id, "clientSecret": LOGIN.client_secret, "grantType": "refresh_token"}
    oidc = serve(world()).client("sso-oidc")
    with pytest.raises(ClientError) as error:
        oidc.create_token(**{**told, "refreshToken": LOGIN.refresh_token, **change})
    assert error.value.response["Error"]["Code"] == expected
    assert error.value.response["error_description"]


def test_credentials_end_when_they_say(serve):
    login = SimLogin(token="brief", assignments=LOGIN.assignments, role_seconds=-1)
    hub = serve(world(logins=(login,)))
    told = hub.client("sso").get_role_credentials(accessToken="brief", accountId=IDS[1], roleName="Admin")
    assert datetime.fromtimestamp(told["roleCredentials"]["expiration"] / 1000, timezone.utc) < datetime.now(
        timezone.utc
    )
    with pytest.raises(ClientError, match="ExpiredToken"):
        hub.client("sts", as_keys(told["roleCredentials"])).get_caller_identity()


def test_portal_takes_no_page_that_it_did_not_name(serve):
    sso = serve(world()).client("sso")
    assert code(sso.list_accounts, nextToken="x") == (400, "InvalidRequestException")


def test_portal_without_token_is_unauthorized(serve):
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(serve(world()).endpoint.url + "/assignment/accounts")
    with error.value as answer:
        assert (answer.code, answer.headers["x-amzn-ErrorType"]) == (401, "UnauthorizedException")
