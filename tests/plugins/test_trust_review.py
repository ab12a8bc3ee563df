"""trust-review tells whom each role lets in, and finds what a reviewer must not overlook."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import quote

import pytest

from fanout.cli.main import execute
from fanout.cli.parameters import bind_parameters
from fanout.model.errors import UsageError
from fanout.testing import Endpoint, FakeContext, SimRole, World, run_task
from fanout_plugins.trust_review import trust_review

pytestmark = pytest.mark.anyio

OWN = "111122223333"
OTHER = "444455556666"
ROOT = f"arn:aws:iam::{OTHER}:root"
VENDOR = f"arn:aws:iam::{OTHER}:role/Vendor"
ORG = "o-a1b2c3d4e5"
GITHUB = f"arn:aws:iam::{OWN}:oidc-provider/token.actions.githubusercontent.com"
SAML = f"arn:aws:iam::{OWN}:saml-provider/Okta"
EXTERNAL_ID = "s3cret-external-id"
WITH_ID = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}


def statement(principal, condition=None, **more):
    told = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}
    return told | ({"Condition": condition} if condition is not None else {})


def role(*statements, name="R", path="/", document=None):
    policy = {"Version": "2012-10-17", "Statement": list(statements)} if document is None else document
    arn = f"arn:aws:iam::{OWN}:role{path}{name}"
    return {"RoleName": name, "Path": path, "Arn": arn, "AssumeRolePolicyDocument": policy}


async def review(*roles, **options):
    context = FakeContext(pages={"list_roles": [{"Roles": list(roles)}]}, account=OWN, region="global")
    return await run_task(trust_review, context, **bind_parameters(trust_review, options))


async def one(principal, condition=None, **options):
    (row,) = await review(role(statement(principal, condition)), include_services=True, **options)
    return row


async def findings(principal, condition=None, **options):
    return (await one(principal, condition, **options))["findings"]


async def test_a_trusted_role_of_another_account_is_told_without_its_external_id():
    condition = WITH_ID | {"Bool": {"aws:MultiFactorAuthPresent": "true"}}

    row = await one({"AWS": VENDOR}, condition)

    assert row == {
        "role": "R",
        "arn": f"arn:aws:iam::{OWN}:role/R",
        "principal": VENDOR,
        "principal_kind": "role",
        "trusted_account": OTHER,
        "outside": "unknown",
        "whole_account": False,
        "external_id": True,
        "mfa_required": True,
        "organizations": [],
        "conditions": ["sts:ExternalId", "aws:MultiFactorAuthPresent"],
        "deny_statements": 0,
        "findings": [],
    }
    assert tuple(row) == trust_review.columns
    assert EXTERNAL_ID not in json.dumps(row)


@pytest.mark.parametrize(
    ("principal", "kind", "account"),
    [
        ("*", "anyone", None),
        ({"AWS": "*"}, "anyone", None),
        ({"AWS": OTHER}, "account", OTHER),
        ({"AWS": ROOT}, "account", OTHER),
        ({"AWS": [VENDOR]}, "role", OTHER),
        ({"AWS": f"arn:aws-us-gov:iam::{OTHER}:user/team/ann"}, "user", OTHER),
        ({"AWS": f"arn:aws:sts::{OTHER}:assumed-role/Vendor/s"}, "session", OTHER),
        ({"AWS": "AROAEXAMPLEEXAMPLE123"}, "deleted", None),
        ({"Service": "ec2.amazonaws.com"}, "service", None),
        ({"Federated": GITHUB}, "federated", OWN),
        ({"Federated": SAML}, "federated", OWN),
        ({"Federated": "cognito-identity.amazonaws.com"}, "federated", None),
        ({"CanonicalUser": "79a5"}, "other", None),
    ],
)
async def test_each_kind_of_principal_is_known(principal, kind, account):
    row = await one(principal)

    assert (row["principal_kind"], row["trusted_account"]) == (kind, account)


async def test_every_principal_of_every_statement_is_a_row_and_denials_are_counted():
    statements = [
        statement({"AWS": [ROOT, VENDOR], "Federated": SAML}),
        statement({"AWS": f"arn:aws:iam::{OWN}:user/ann"}, Action=["sts:*"]),
        statement({"AWS": "*"}, Effect="Deny"),
        statement({"AWS": VENDOR}, Action="sts:TagSession"),
    ]
    rows = await review(role(*statements))

    assert [row["principal"] for row in rows] == [ROOT, VENDOR, SAML, f"arn:aws:iam::{OWN}:user/ann"]
    assert {row["deny_statements"] for row in rows} == {1}


@pytest.mark.parametrize(
    ("options", "outside"),
    [
        ({}, "unknown"),
        ({"known_account": [OTHER]}, "no"),
        ({"known_account": ["777788889999"]}, "yes"),
    ],
)
async def test_an_account_is_outside_once_it_is_known_which_are_ours(options, outside):
    assert (await one({"AWS": VENDOR}, **options))["outside"] == outside
    assert (await one({"AWS": f"arn:aws:iam::{OWN}:root"}, **options))["outside"] == "no"


@pytest.mark.parametrize(
    "text", [f"{OTHER}\n# more\n\n{OWN} # payer\n", f"account_id,name\n{OTHER},vendor\n", f'"account_id"\n"{OTHER}"\n']
)
async def test_known_accounts_come_from_a_file_of_ids(text, tmp_path):
    (tmp_path / "ours.txt").write_text(text, encoding="utf-8")

    assert (await one({"AWS": VENDOR}, known_accounts=str(tmp_path / "ours.txt")))["outside"] == "no"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"known_account": ["12"]}, "twelve digits"),
        ({"own_organization": "acme"}, "organization's id"),
        ({"known_accounts": "nowhere.txt"}, "cannot be read"),
    ],
)
def test_bad_ids_and_files_are_refused_before_any_call(options, why):
    with pytest.raises(UsageError, match=why):
        bind_parameters(trust_review, options)


def test_a_line_without_an_id_is_named(tmp_path):
    file = tmp_path / "ours.txt"
    file.write_text(f"# ours\n{OTHER}\n4444555566667\n", encoding="utf-8")

    with pytest.raises(UsageError, match=r"ours\.txt:3"):
        bind_parameters(trust_review, {"known_accounts": str(file)})


async def test_a_whole_account_elsewhere_without_external_id_is_found():
    assert await findings({"AWS": ROOT}) == ["whole_account", "external_without_external_id"]
    assert await findings({"AWS": ROOT}, WITH_ID) == ["whole_account"]
    assert await findings({"AWS": f"arn:aws:iam::{OWN}:root"}) == []
    assert await findings({"AWS": ROOT}, known_account=[OTHER]) == ["whole_account"]


async def test_a_condition_on_the_principal_narrows_a_whole_account():
    row = await one({"AWS": ROOT}, {"ArnLike": {"aws:PrincipalArn": [VENDOR]}, **WITH_ID})

    assert (row["whole_account"], row["findings"]) == (False, [])


@pytest.mark.parametrize(
    ("condition", "safe"),
    [
        ({"StringEquals": {"STS:externalid": EXTERNAL_ID}}, True),
        ({"StringLike": {"sts:ExternalId": "team-*"}}, True),
        ({"StringLike": {"sts:ExternalId": "*"}}, False),
        ({"StringLike": {"sts:ExternalId": [EXTERNAL_ID, "*"]}}, False),
        ({"StringNotEquals": {"sts:ExternalId": "x"}}, False),
        ({"Null": {"sts:ExternalId": "false"}}, False),
        ({"StringEqualsIfExists": {"sts:ExternalId": EXTERNAL_ID}}, False),
        ({"ForAllValues:StringEquals": {"sts:ExternalId": EXTERNAL_ID}}, False),
        ({"ForAnyValue:StringEquals": {"sts:ExternalId": EXTERNAL_ID}}, True),
        ({"StringEqualsIfExists": {"sts:ExternalId": "x"}, "Null": {"sts:ExternalId": False}}, True),
    ],
)
async def test_only_a_condition_that_asks_for_an_external_id_counts_as_one(condition, safe):
    row = await one({"AWS": VENDOR}, condition)

    assert row["external_id"] is safe
    assert ("external_without_external_id" in row["findings"]) is not safe


@pytest.mark.parametrize(
    ("condition", "required"),
    [
        ({"Bool": {"aws:MultiFactorAuthPresent": True}}, True),
        ({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, False),
        ({"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}}, False),
        ({"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}, True),
        ({"NumericLessThanIfExists": {"aws:MultiFactorAuthAge": "3600"}}, False),
        ({"Null": {"aws:MultiFactorAuthAge": "false"}}, True),
        (
            {
                "Bool": {"aws:MultiFactorAuthPresent": "true"},
                "NumericLessThanIfExists": {"aws:MultiFactorAuthAge": "9"},
            },
            True,
        ),
    ],
)
async def test_a_second_factor_is_required_only_where_its_absence_refuses(condition, required):
    row = await one({"AWS": f"arn:aws:iam::{OWN}:user/ann"}, condition)

    lax = any(operator.endswith("IfExists") for operator in condition)
    assert row["mfa_required"] is required
    assert row["findings"] == (["condition_met_when_absent"] if lax and not required else [])


@pytest.mark.parametrize(
    ("condition", "outside", "found"),
    [
        (None, "yes", ["anyone", "outside", "external_without_external_id"]),
        (WITH_ID, "yes", ["anyone", "outside"]),
        ({"StringEquals": {"aws:PrincipalOrgID": ORG}}, "no", []),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{ORG}/r-ab12/*"}}, "no", []),
        ({"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}}, "no", []),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-zzzzzzzzzz"}}, "yes", ["outside", "external_without_external_id"]),
        ({"StringLike": {"aws:PrincipalOrgID": "o-*"}}, "yes", ["anyone", "outside", "external_without_external_id"]),
        (
            {"StringEqualsIfExists": {"aws:PrincipalOrgID": ORG}},
            "yes",
            ["anyone", "outside", "external_without_external_id", "condition_met_when_absent"],
        ),
        ({"StringEquals": {"aws:PrincipalAccount": OWN}}, "no", []),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OWN}:role/*"}}, "no", []),
        (
            {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Deploy"}},
            "yes",
            ["anyone", "outside", "external_without_external_id"],
        ),
    ],
)
async def test_anyone_is_judged_by_the_conditions_that_say_who(condition, outside, found):
    row = await one({"AWS": "*"}, condition, own_organization=ORG)

    assert (row["outside"], row["findings"]) == (outside, found)


async def test_anyone_of_several_accounts_is_a_row_for_each():
    condition = {"StringEquals": {"aws:PrincipalAccount": [OTHER, OWN]}}
    rows = await review(role(statement("*", condition)))

    assert {row["trusted_account"]: row["whole_account"] for row in rows} == {OWN: True, OTHER: True}
    assert {row["trusted_account"]: row["findings"] for row in rows} == {
        OWN: [],
        OTHER: ["whole_account", "external_without_external_id"],
    }


async def test_everyone_but_some_is_everyone():
    spared = {"Effect": "Allow", "NotPrincipal": {"AWS": [VENDOR]}, "Action": "sts:AssumeRole"}
    (row,) = await review(role(spared))

    assert (row["principal"], row["principal_kind"]) == (f"everyone but {VENDOR}", "anyone")
    assert {"anyone", "not_principal", "outside"} <= set(row["findings"])


async def test_not_action_lets_in_unless_it_spares_every_way_in():
    spared = statement({"AWS": VENDOR}, NotAction="sts:TagSession")
    spared.pop("Action")
    closed = spared | {"NotAction": "sts:*"}

    assert [row["principal"] for row in await review(role(spared), role(closed))] == [VENDOR]


@pytest.mark.parametrize(
    ("provider", "condition", "found"),
    [
        (GITHUB, None, ["federated_any_audience", "federated_any_subject"]),
        (GITHUB, {"StringEquals": {"token.actions.githubusercontent.com:aud": "sts"}}, ["federated_any_subject"]),
        (
            GITHUB,
            {
                "StringEquals": {"token.actions.githubusercontent.com:aud": "sts"},
                "StringLike": {"token.actions.githubusercontent.com:sub": "repo:acme/*"},
            },
            [],
        ),
        (SAML, {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}, []),
        ("cognito-identity.amazonaws.com", None, ["federated_any_audience"]),
    ],
)
async def test_a_provider_of_many_tenants_must_be_held_to_ours(provider, condition, found):
    assert await findings({"Federated": provider}, condition) == found


AUDIENCE = {"StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}}
OTHER_PROVIDERS = {
    "gitlab.com": ("project_path:acme/*", "project_path:*/app:ref_type:branch:ref:main"),
    "app.terraform.io": ("organization:acme:project:*", "organization:ac*:project:p:workspace:w:run_phase:plan"),
    "agent.buildkite.com": ("organization:acme:*", "organization:*:pipeline:deploy"),
    "oidc.vercel.com": ("owner:acme:project:*", "owner:*:project:site"),
}


@pytest.mark.parametrize(
    ("subjects", "wild"),
    [
        ("repo:*", True),
        ("repo:*/*", True),
        ("repo:*:*", True),
        ("*:ref:refs/heads/main", True),
        ("*", True),
        ("repo:*/app:ref:refs/heads/main", True),
        ("repo:ac*/app:*", True),
        ("repo:acme*", True),
        ("repo:?cme/app:*", True),
        ("environment:prod:*", True),
        ("repository_owner:ac*", True),
        (["repo:acme/app:*", "repo:*:environment:prod"], True),
        ("repo:acme/*", False),
        ("repo:acme/app:*", False),
        ("repo:acme@123/app@456:ref:refs/heads/*", False),
        ("repository_owner:acme:*", False),
        ("environment:prod:repository_owner:acme:*", False),
        ("job_workflow_ref:acme/ci/.github/workflows/*", False),
        ("repo:acme/app:ref:refs/heads/main", False),
        (["repo:acme/a:*", "repo:acme/b:*"], False),
    ],
)
async def test_a_subject_of_github_must_say_whose_repository_it_is(subjects, wild):
    for operator in ("StringLike", "ForAnyValue:StringLike"):
        condition = AUDIENCE | {operator: {"token.actions.githubusercontent.com:sub": subjects}}
        found = await findings({"Federated": GITHUB}, condition)
        assert found == (["federated_any_subject"] if wild else [])


async def test_a_wildcard_that_is_compared_as_it_is_written_stands_for_nothing():
    condition = {"StringEquals": AUDIENCE["StringEquals"] | {"token.actions.githubusercontent.com:sub": "repo:*"}}

    assert await findings({"Federated": GITHUB}, condition) == []


async def test_one_condition_that_names_the_owner_is_enough_as_all_must_be_met():
    key = "token.actions.githubusercontent.com:sub"
    condition = AUDIENCE | {
        "StringLike": {key: "*:ref:refs/heads/main"},
        "ForAnyValue:StringLike": {key: "repo:acme/*"},
    }

    assert await findings({"Federated": GITHUB}, condition) == []


async def test_an_issuer_of_an_enterprises_own_holds_by_itself():
    condition = {"StringLike": {"x:aud": "sts.amazonaws.com", "token.actions.githubusercontent.com/acme:sub": "repo:*"}}

    assert await findings({"Federated": f"{GITHUB}/acme"}, condition) == []


@pytest.mark.parametrize("host", OTHER_PROVIDERS)
async def test_subjects_of_other_shared_providers_must_say_whose_they_are_too(host):
    provider = f"arn:aws:iam::{OWN}:oidc-provider/{host}"
    for subject, found in zip(OTHER_PROVIDERS[host], ([], ["federated_any_subject"]), strict=True):
        condition = {"StringEquals": {f"{host}:aud": "x"}, "StringLike": {f"{host}:sub": subject}}
        assert await findings({"Federated": provider}, condition) == found


@pytest.mark.parametrize(
    ("service", "at_risk"),
    [
        ("states.amazonaws.com", True),
        ("scheduler.amazonaws.com", True),
        ("ecs-tasks.amazonaws.com", True),
        ("monitoring.rds.amazonaws.com", True),
        ("logs.eu-west-1.amazonaws.com", True),
        ("states.amazonaws.com.cn", True),
        ("ec2.amazonaws.com", False),
        ("ec2.amazonaws.com.cn", False),
        ("lambda.amazonaws.com", False),
        ("rds.amazonaws.com", False),
        ("pods.eks.amazonaws.com", False),
        ("unheard-of.amazonaws.com", False),
    ],
)
async def test_only_services_that_send_their_source_can_be_held_to_it(service, at_risk):
    assert await findings({"Service": service}) == (["confused_deputy_risk"] if at_risk else [])
    held = {"ArnLike": {"aws:SourceArn": f"arn:aws:x:eu-west-1:{OWN}:*"}}
    assert await findings({"Service": service}, held) == []


async def test_services_are_shown_when_asked_for_and_judged_by_the_source_they_act_for():
    service = statement({"Service": "states.amazonaws.com"})
    held = statement({"Service": "states.amazonaws.com"}, {"StringEquals": {"aws:SourceAccount": OWN}})
    linked = role(service, name="L", path="/aws-service-role/x.amazonaws.com/")

    assert await review(role(service), linked) == []
    rows = await review(role(service), role(held, name="Held"), linked, include_services=True)
    assert {row["role"]: row["findings"] for row in rows} == {
        "R": ["confused_deputy_risk"],
        "Held": [],
        "L": ["confused_deputy_risk"],
    }


async def test_a_deleted_principal_is_found():
    assert await findings({"AWS": "AIDAEXAMPLEEXAMPLE123"}) == ["deleted_principal"]


@pytest.mark.parametrize("document", ["{", "[]", {}, {"Statement": []}, {"Statement": "x"}, 5])
async def test_a_document_that_is_no_policy_is_a_finding_of_its_own(document):
    (row,) = await review(role(document=document))

    assert (row["principal"], row["principal_kind"], row["findings"]) == (None, "unreadable", ["unreadable"])


@pytest.mark.parametrize("encode", [quote, str])
async def test_a_document_may_be_json_url_encoded_or_not_with_a_single_statement(encode):
    document = encode(json.dumps({"Statement": statement({"AWS": VENDOR})}))

    assert [row["principal"] for row in await review(role(document=document))] == [VENDOR]


async def test_rows_are_chosen_by_name_and_by_having_findings():
    fine = statement({"AWS": VENDOR}, WITH_ID)
    roles = [role(fine, name="Fine"), role(statement({"AWS": VENDOR}), name="Bad"), role(fine, name="Other")]

    assert [row["role"] for row in await review(*roles, name=["f*", "bad"])] == ["Fine", "Bad"]
    assert [row["role"] for row in await review(*roles, findings_only=True)] == ["Bad"]


def test_the_endpoints_trust_policies_are_reviewed_with_the_declared_action(monkeypatch, capsys, tmp_path):
    vendor = {"Version": "2012-10-17", "Statement": [statement({"AWS": ROOT}, WITH_ID), statement({"AWS": VENDOR})]}
    roles = (SimRole(name="Auditor", allows=("iam:ListRoles",)), SimRole(name="Vendor", trust=vendor))
    world = replace(World.generate(2), roles=roles)
    member = world.accounts[1].id
    with Endpoint(world) as endpoint:
        for name, value in endpoint.env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FANOUT_HOME", str(tmp_path))
        options = ["-a", member, "--role", "Auditor", "-o", "jsonl", "--known-account", world.management_id]
        code = execute(["run", "trust-review", *options])
    printed = capsys.readouterr()

    assert code == 0, printed.err
    rows = [json.loads(line) for line in printed.out.splitlines()]
    assert {(row["role"], row["principal"]): row["findings"] for row in rows} == {
        ("Auditor", f"arn:aws:iam::{world.management_id}:root"): ["whole_account"],
        ("Vendor", ROOT): ["outside", "whole_account"],
        ("Vendor", VENDOR): ["outside", "external_without_external_id"],
    }
    assert EXTERNAL_ID not in printed.out + printed.err
