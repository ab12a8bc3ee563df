"""Roles in every format: what real linters say to them, and how they hang together."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import types
import warnings
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from fanout.model.errors import UsageError
from fanout.tasks import Task
from fanout.tools.roles import writing as roles
from fanout.tools.roles.reading import RoleAsk, read, read_caller

HUB = "arn:aws:iam::111122223333:role/tools/Hub"
NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
EVERYTHING = RoleAsk(
    task=("create-images",),
    trust=("arn:aws:iam::111122223333:user/ann", "111122224444"),
    external_id="shared-1",
    mfa_max_age="1h",
    not_before="2030-01-01",
    not_after="2031-01-01",
    source_ip=("203.0.113.0/24,198.51.100.7",),
    org_id="o-a1b2c3d4e5",
    session_tags=True,
    source_identity=True,
    managed_policy=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
    permissions_boundary="arn:aws:iam::111122224444:policy/Bound",
    path="/audit/",
    tag=("team=ops",),
    max_session="2h",
    allow=("s3:GetObject@arn:{partition}:s3:::{bucket}/${aws:username}/*",),
    parameter=("bucket",),
)
DEPLOYER = RoleAsk(
    name="deploy-{environment}",
    trust=("{source_account}",),
    allow=("s3:GetObject@arn:{partition}:s3:::{bucket}/*", "ssm:PutParameter"),
    parameter=("environment=test", "source-account", "bucket"),
)


async def _nothing(ctx):
    yield {}


def load(name: str) -> Task:
    actions = {
        "create-images": ("ec2:CreateImage", "ssm:PutParameter"),
        "list-vpcs": ("ec2:DescribeVpcs",),
        "nothing": (),
        "unsaid": None,
        "huge": tuple(f"ec2:Describe{'x' * 50}{number}" for number in range(200)),
    }[name]
    scope = "account" if name == "nothing" else "region"
    return Task(name=name, function=_nothing, actions=actions, scope=scope, changes=name == "create-images")


def written(ask: RoleAsk, form: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(roles.role(read(ask, load, NOW), form).text)
    return document


@pytest.fixture(scope="module")
def analyze():
    """parliament's findings on a policy. It asks pkg_resources, which setuptools no longer has, for its two files."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves both open
        spec = importlib.util.find_spec("parliament")
        where = Path(spec.origin).parent
        if importlib.util.find_spec("pkg_resources") is None:
            stand_in = types.ModuleType("pkg_resources")
            stand_in.resource_filename = lambda _, name: str(where / name)
            patch.setitem(sys.modules, "pkg_resources", stand_in)
        from parliament import analyze_policy_string

    def findings(document: dict[str, Any]) -> list[str]:
        # what a task works on is not declared, so RESOURCE_STAR is meant
        return [
            str(each) for each in analyze_policy_string(json.dumps(document)).findings if each.issue != "RESOURCE_STAR"
        ]

    return findings


@pytest.mark.parametrize("ask", [EVERYTHING, RoleAsk(task=("list-vpcs",), trust=(HUB,), mfa=True)], ids=["all", "few"])
def test_policies_pass_a_linter_of_policies(ask: RoleAsk, analyze):
    facts = written(ask, "json")
    trust = facts["AssumeRolePolicyDocument"]
    # parliament knows no trust policies: its actions and conditions are judged as if they were permissions
    as_permissions = [
        {**{name: value for name, value in each.items() if name != "Principal"}, "Resource": "*"}
        for each in trust["Statement"]
    ]

    assert analyze(facts["Policies"][0]["PolicyDocument"]) == []
    assert analyze({**trust, "Statement": as_permissions}) == []


def test_the_linter_of_policies_finds_what_is_wrong(analyze):
    statement = {"Effect": "Allow", "Action": "ec2:CreateNothing", "Resource": "*"}

    assert "UNKNOWN_ACTION" in analyze({"Version": "2012-10-17", "Statement": [statement]})[0]


def test_the_callers_side_passes_a_linter_of_policies(analyze):
    ask = RoleAsk(name="Reader", org_id="o-a1b2c3d4e5", session_tags=True, source_identity=True)

    assert analyze(json.loads(roles.caller(read_caller(ask, load), "json").text)) == []


def test_templates_pass_cfn_lint():
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    ask = RoleAsk(name="Reader", trust=(HUB,), org_id="o-a1b2c3d4e5")
    templates = [
        roles.role(read(EVERYTHING, load, NOW), "cloudformation").text,
        roles.role(read(DEPLOYER, load, NOW), "cloudformation").text,
        roles.caller(read_caller(ask, load), "cloudformation").text,
        roles.caller(read_caller(replace(ask, trust=("111122223333",)), load), "cloudformation").text,
    ]

    config = ManualArgs(regions=["us-east-1"])
    assert [str(each) for text in templates for each in lint(text, config=config)] == []
    broken = templates[0].replace('"MaxSessionDuration": {\n          "Ref"', '"MaxSessionDuraton": {\n          "Ref"')
    assert lint(broken, config=config) != []


def test_a_template_has_what_was_typed_as_defaults_of_parameters():
    template = written(EVERYTHING, "cloudformation")
    parameters = template["Parameters"]

    assert {name: each.get("Default") for name, each in parameters.items()} == {
        "RoleName": "FanoutCreateImages",
        "TrustedPrincipals": "arn:aws:iam::111122223333:user/ann,111122224444",
        "MaxSessionDuration": 7200,
        "ExternalId": "shared-1",
        "Bucket": None,
    }
    assert parameters["ExternalId"]["NoEcho"] is True
    for name in ("RoleName", "ExternalId"):
        assert re.fullmatch(parameters[name]["AllowedPattern"], parameters[name]["Default"])
    for principal in parameters["TrustedPrincipals"]["Default"].split(","):
        assert re.fullmatch(parameters["TrustedPrincipals"]["AllowedPattern"], principal)
    assert "CAPABILITY_NAMED_IAM" in template["Description"]


def test_references_become_what_cloudformation_has_for_them():
    properties = written(EVERYTHING, "cloudformation")["Resources"]["Role"]["Properties"]
    enter, tags, _ = properties["AssumeRolePolicyDocument"]["Statement"]
    last = properties["Policies"][0]["PolicyDocument"]["Statement"][-1]

    assert enter["Principal"] == tags["Principal"] == {"AWS": {"Ref": "TrustedPrincipals"}}
    assert enter["Condition"]["StringEquals"]["sts:ExternalId"] == {"Ref": "ExternalId"}
    assert last["Resource"] == {"Fn::Sub": "arn:${AWS::Partition}:s3:::${Bucket}/${!aws:username}/*"}
    assert properties["ManagedPolicyArns"] == [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/ReadOnlyAccess"}]
    assert properties["PermissionsBoundary"] == "arn:aws:iam::111122224444:policy/Bound"


def test_an_external_id_can_be_given_to_a_template_that_was_written_without_one():
    template = written(RoleAsk(task=("list-vpcs",), trust=(HUB,), org_id="o-a1b2c3d4e5"), "cloudformation")
    enter = template["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    organization = {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}

    assert template["Parameters"]["ExternalId"]["Default"] == ""
    assert enter["Condition"] == {
        "Fn::If": [
            "HasExternalId",
            {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}, **organization}},
            {"StringEquals": organization},
        ]
    }


def test_a_name_and_a_principal_with_references_stay_where_they_are():
    template = written(DEPLOYER, "cloudformation")
    properties = template["Resources"]["Role"]["Properties"]

    assert {"RoleName", "TrustedPrincipals"} & template["Parameters"].keys() == set()
    assert properties["RoleName"] == {"Fn::Sub": "deploy-${Environment}"}
    assert properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {
        "AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${SourceAccount}:root"}
    }


def test_a_principal_with_a_comma_in_its_name_is_not_cut_in_two():
    user = "arn:aws:iam::111122223333:user/ann,bob"
    template = written(RoleAsk(task=("list-vpcs",), trust=(user,)), "cloudformation")

    statement = template["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert statement["Principal"] == {"AWS": user}


def test_terraform_gets_variables_and_expressions_that_make_json():
    module = written(EVERYTHING, "terraform")
    role = module["resource"]["aws_iam_role"]["fanout"]

    assert module["variable"]["trusted_principals"]["type"] == "list(string)"
    assert module["variable"]["trusted_principals"]["default"] == ["arn:aws:iam::111122223333:user/ann", "111122224444"]
    assert module["variable"]["external_id"]["sensitive"] is True
    assert "default" not in module["variable"]["bucket"]
    assert (role["name"], role["max_session_duration"]) == ("${var.role_name}", "${var.max_session_duration}")
    assert role["tags"] == {"fanout:managed": "true", "team": "ops"}
    assert '"Principal" = {"AWS" = var.trusted_principals}' in role["assume_role_policy"]
    assert '"sts:ExternalId" = var.external_id' in role["assume_role_policy"]
    inline = module["resource"]["aws_iam_role_policy"]["fanout"]["policy"]
    assert '"arn:${data.aws_partition.current.partition}:s3:::${var.bucket}/$${aws:username}/*"' in inline
    assert module["data"] == {"aws_partition": {"current": {}}}
    assert set(module["resource"]) == {"aws_iam_role", "aws_iam_role_policy", "aws_iam_role_policy_attachment"}


def test_an_expression_of_terraform_means_the_same_document():
    ask = RoleAsk(
        task=("create-images",), trust=(f"{HUB},x",), external_id=None, mfa=True
    )  # no list: a literal principal
    encoded = written(ask, "terraform")["resource"]["aws_iam_role"]["fanout"]["assume_role_policy"]

    inner = re.fullmatch(r"\$\{jsonencode\((.*)\)\}", encoded)[1]

    assert json.loads(inner.replace('" = ', '": ')) == written(ask, "json")["AssumeRolePolicyDocument"]


def test_every_variable_that_terraform_meets_is_declared():
    for ask in (EVERYTHING, DEPLOYER):
        module = written(ask, "terraform")
        used = set(re.findall(r"(?<!\$)\bvar\.(\w+)", json.dumps([module["resource"], module["output"]])))

        assert used == set(module["variable"])


def test_plain_json_has_defaults_filled_in_and_says_what_is_left():
    result = roles.role(read(DEPLOYER, load, NOW), "json")
    facts = json.loads(result.text)

    assert facts["RoleName"] == "deploy-test"
    assert facts["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"] == (
        "arn:aws:iam::{source_account}:root"
    )
    assert result.notes == ("fill in {bucket}, {source_account} before you use it",)


def test_a_task_that_needs_no_permission_gets_a_role_without_policies():
    assert "Policies" not in written(RoleAsk(task=("nothing",), trust=(HUB,)), "json")
    with pytest.raises(UsageError, match="nothing that needs a permission"):
        roles.policy([load("nothing")])


def test_fanouts_own_action_comes_with_tasks_per_region_alone():
    assert "ec2:DescribeRegions" in roles.policy([load("list-vpcs")]).text
    assert "ec2:DescribeRegions" not in roles.policy([load("nothing")], ["s3:ListAllMyBuckets"]).text


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"trust": ()}, "nobody was named"),
        ({"task": ()}, "nothing was said"),
        ({"task": ("unsaid",)}, "does not declare its actions"),
        ({"task": ("huge",)}, "10,240"),
        ({"task": (), "allow": ("s3:*",)}, "has no name"),
        ({"trust": (HUB, HUB)}, "given twice"),
        ({"trust": (HUB, "arn:aws-cn:iam::111122223333:role/Hub")}, "several partitions"),
        ({"external_id": "a b"}, "not shown"),
        ({"not_before": "2031-01-02", "not_after": "2031-01-01"}, "before it begins"),
        ({"source_ip": ("203.0.113.0/24", "203.0.113.0/24,203.0.113.0/24")}, ""),
        ({"source_ip": ("203.0.113.7,203.0.113.7/32",)}, "given twice"),
        ({"org_id": "o-x"}, "organization"),
        ({"managed_policy": ("ReadOnlyAccess",)}, "managed policy"),
        ({"permissions_boundary": HUB}, "managed policy"),
        ({"parameter": ("bucket",)}, "used nowhere"),
        ({"allow": ("s3:GetObject@arn:aws:s3:::{bucket}/*",)}, "no parameter"),
        ({"name": "a/b"}, "not the name"),
        ({"description": "\u2026"}, "description"),
        ({"statement": ('{"Sid":"DeclaredActions","Effect":"Allow","Action":"s3:*","Resource":"*"}',)}, "Sid"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(changes: dict[str, Any], why: str):
    if not why:  # one range, named twice in a list: it counts once
        read(RoleAsk(**{"task": ("list-vpcs",), "trust": (HUB,), **changes}), load, NOW)
        return
    with pytest.raises(UsageError) as caught:
        read(RoleAsk(**{"task": ("list-vpcs",), "trust": (HUB,), **changes}), load, NOW)
    assert why in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trust": ("111122223333",)}, "everyone in account 111122223333"),
        ({"trust": ("arn:aws:iam::111122223333:root",)}, "everyone in account 111122223333"),
        ({"mfa": True}, "trust users"),
        ({"not_after": "2029-01-01"}, "over already"),
        ({"allow": ("iam:PassRole@*",)}, None),
        ({"allow": ("ssm:PutParameter",)}, "asked for kms:Encrypt, kms:GenerateDataKey too"),
        ({"allow": ("ec2:CreateImage@*",)}, "ec2:CreateTags"),
        ({"allow": ("ec2:CreateImage", "ec2:CreateTags,kms:*")}, None),
        ({"task": ("create-images",), "allow": ("ec2:CreateSnapshot",)}, None),
        ({"allow": ("ssm:SendCommand",)}, "iam:PassRole"),
        ({}, None),
    ],
)
def test_what_works_but_is_hardly_meant_is_warned_of(changes: dict[str, Any], said: str | None):
    found = read(RoleAsk(**{"task": ("list-vpcs",), "trust": (HUB,), **changes}), load, NOW).warnings

    assert [said in each for each in found] == ([True] if said else [])


def test_names_say_what_the_tasks_do():
    def name(*tasks: str) -> str:
        return read(RoleAsk(task=tasks, trust=(HUB,)), load, NOW).role.name

    assert name("list-vpcs") == "FanoutListVpcs"
    assert name("list-vpcs,nothing") == "FanoutReadOnly"
    assert name("list-vpcs", "create-images") == "FanoutChanges"


def test_a_generated_external_id_is_new_each_time_and_in_the_document():
    first, second = (read(RoleAsk(task=("list-vpcs",), trust=(HUB,), external_id="generate"), load, NOW) for _ in "ab")

    assert re.fullmatch(r"[0-9a-f]{32}", first.generated)
    assert first.generated != second.generated
    assert first.generated in roles.role(first, "cloudformation").text
    assert first.generated not in repr(first)


def test_the_callers_side_needs_the_roles_whole_name():
    ask = RoleAsk(name="deploy-{environment}", parameter=("environment",), org_id="o-a1b2c3d4e5")
    with pytest.raises(UsageError, match="environment"):
        read_caller(ask, load)

    named = read_caller(
        RoleAsk(name="deploy-{environment}", parameter=("environment=test",), account=("111122223333",)), load
    )
    statement = json.loads(roles.caller(named, "json").text)["Statement"][0]
    assert statement["Resource"] == "arn:aws:iam::111122223333:role/deploy-test"


@pytest.mark.parametrize(
    ("trust", "of_roles", "of_users"),
    [
        ((HUB,), ["Hub"], []),
        (("arn:aws:iam::111122223333:user/ann",), [], ["ann"]),
        (
            (HUB, "arn:aws:iam::111122223333:role/o,ther", "arn:aws:iam::111122223333:user/ann"),
            ["Hub", "o,ther"],
            ["ann"],
        ),
        (("111122223333",), [], []),
        ((), [], []),
    ],
)
def test_the_callers_side_is_attached_to_the_roles_and_users_that_are_trusted(trust, of_roles, of_users):
    blueprint = read_caller(RoleAsk(name="Reader", trust=trust, org_id="o-a1b2c3d4e5"), load)

    module = json.loads(roles.caller(blueprint, "terraform").text)
    assert module["variable"]["hub_role_names"]["default"] == of_roles
    assert module["variable"]["hub_user_names"]["default"] == of_users
    attached = module["resource"]["aws_iam_user_policy_attachment"]["fanout"]
    assert (attached["for_each"], attached["user"]) == ("${toset(var.hub_user_names)}", "${each.value}")
    template = json.loads(roles.caller(blueprint, "cloudformation").text)
    assert template["Parameters"]["HubRoleNames"]["Default"].split() == of_roles
    assert template["Parameters"]["HubUserNames"]["Default"].split() == of_users


def test_the_callers_side_has_to_be_attached_to_somebody():
    blueprint = read_caller(RoleAsk(name="Reader", org_id="o-a1b2c3d4e5"), load)

    template = json.loads(roles.caller(blueprint, "cloudformation").text)
    (rule,) = template["Rules"]["AttachedToSomebody"]["Assertions"]
    assert [each["Fn::Not"][0]["Fn::Equals"] for each in rule["Assert"]["Fn::Or"]] == [
        [{"Ref": "HubRoleNames"}, ""],
        [{"Ref": "HubUserNames"}, ""],
    ]
    assert template["Resources"]["Policy"]["Properties"]["Users"]["Fn::If"][2] == {"Ref": "AWS::NoValue"}
    policy = json.loads(roles.caller(blueprint, "terraform").text)["resource"]["aws_iam_policy"]["fanout"]
    need = policy["lifecycle"]["precondition"]["condition"]
    assert need == "${length(var.hub_role_names) + length(var.hub_user_names) > 0}"


def test_doubled_braces_in_a_description_are_braces():
    ask = RoleAsk(task=("list-vpcs",), trust=(HUB,), description="Of {{x}} in {account_id}.")

    assert written(ask, "terraform")["resource"]["aws_iam_role"]["fanout"]["description"] == (
        "Of {x} in ${data.aws_caller_identity.current.account_id}."
    )
    properties = written(ask, "cloudformation")["Resources"]["Role"]["Properties"]
    assert properties["Description"] == {"Fn::Sub": "Of {x} in ${AWS::AccountId}."}
    assert written(ask, "json")["Description"] == ask.description  # ensure-role fills it in


@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_file_with_an_external_id_is_private(tmp_path, mode):
    out = tmp_path / "role.json"
    if mode is not None:
        out.write_text("old", encoding="utf-8")
        out.chmod(mode)
    secret = roles.role(read(RoleAsk(task=("list-vpcs",), trust=(HUB,), external_id="shared-1"), load, NOW), "json")

    roles.write(secret, out, force=True)

    assert out.stat().st_mode & 0o777 == 0o600
    assert "shared-1" in out.read_text(encoding="utf-8")
    assert [each.name for each in tmp_path.iterdir()] == ["role.json"]


def test_other_files_are_as_readable_as_any(tmp_path):
    (tmp_path / "any").touch()
    roles.write(
        roles.role(read(RoleAsk(task=("list-vpcs",), trust=(HUB,)), load, NOW), "json"),
        tmp_path / "a.json",
        force=False,
    )

    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.parametrize(
    ("asked", "out", "form"),
    [
        (None, None, "cloudformation"),
        (None, "a.tf.json", "terraform"),
        (None, "a.template.json", "cloudformation"),
        (None, "a.yaml", "cloudformation"),
        (None, "a.json", "json"),
        (None, "a.txt", "cloudformation"),
        ("cloudformation", "a.json", "cloudformation"),
        ("json", None, "json"),
    ],
)
def test_the_format_is_the_one_asked_for_or_that_of_the_ending(asked: str | None, out: str | None, form: str):
    assert roles.format_of(asked, Path(out) if out else None) == form


@pytest.mark.parametrize(
    ("asked", "out"), [("yaml", None), ("terraform", "a.json"), ("json", "a.tf.json"), (None, "a.tf")]
)
def test_a_format_that_nobody_would_read_there_is_refused(asked: str | None, out: str | None):
    with pytest.raises(UsageError):
        roles.format_of(asked, Path(out) if out else None)
