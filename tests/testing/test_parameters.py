"""Parameter Store: versions, paths, secrets that stay shut, and the real AWS CLI writing one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

ONLY = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ssm:*","Resource":"%s"}}'


@pytest.fixture
def ssm(hub):
    return hub.client("ssm")


def put(client, name: str = "/app/key", value: str = "one", **arguments) -> int:
    return client.put_parameter(Name=name, Value=value, **{"Type": "String", **arguments})["Version"]


def code(call, **arguments) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"]


def names(pages) -> list[str]:
    return [each["Name"] for page in pages for each in page["Parameters"]]


def test_value_is_overwritten_only_when_asked(ssm):
    assert put(ssm) == 1
    assert code(ssm.put_parameter, Name="/app/key", Value="two", Type="String") == "ParameterAlreadyExists"
    assert ssm.put_parameter(Name="/app/key", Value="two", Overwrite=True)["Version"] == 2
    told = ssm.get_parameter(Name="/app/key")["Parameter"]
    assert (told["Value"], told["Version"], told["Type"]) == ("two", 2, "String")
    assert told["ARN"] == "arn:aws:ssm:us-east-1:999900000000:parameter/app/key"
    assert ssm.get_parameter(Name="/app/key:1")["Parameter"]["Value"] == "one"
    assert ssm.get_parameter(Name=told["ARN"])["Parameter"]["Value"] == "two"
    assert code(ssm.get_parameter, Name="/app/key:9") == "ParameterVersionNotFound"


def test_parameter_is_of_one_account_and_region(hub, ssm):
    put(ssm)
    there = hub.assume(hub.endpoint.world.accounts[1].id)
    for other in (hub.client("ssm", there), hub.client("ssm", region="eu-west-1")):
        assert code(other.get_parameter, Name="/app/key") == "ParameterNotFound"
        assert put(other, value="other") == 1
    assert ssm.get_parameter(Name="/app/key")["Parameter"]["Value"] == "one"


def test_secret_is_shown_with_decryption_alone(ssm):
    put(ssm, "/app/secret", "tell-nobody", Type="SecureString")
    shut = ssm.get_parameter(Name="/app/secret")["Parameter"]["Value"]
    assert shut.startswith("AQICAHh")
    assert "tell-nobody" not in shut
    assert ssm.get_parameter(Name="/app/secret", WithDecryption=True)["Parameter"]["Value"] == "tell-nobody"
    [described] = ssm.describe_parameters()["Parameters"]
    assert described["KeyId"] == "alias/aws/ssm"
    assert "Value" not in described


def test_several_are_read_at_once(ssm):
    put(ssm, "a")
    put(ssm, "b", Type="StringList", value="x,y")
    told = ssm.get_parameters(Names=["a", "b", "c"])
    assert [each["Value"] for each in told["Parameters"]] == ["one", "x,y"]
    assert told["InvalidParameters"] == ["c"]


def test_path_is_listed_in_pages(ssm):
    for number in range(12):
        put(ssm, f"/app/n{number:02d}")
    put(ssm, "/app/deep/er")
    put(ssm, "/apple/pie")
    pages = ssm.get_paginator("get_parameters_by_path")
    assert names(pages.paginate(Path="/app/")) == [f"/app/n{number:02d}" for number in range(12)]
    assert len(names(pages.paginate(Path="/app", Recursive=True))) == 13
    assert len(names(pages.paginate(Path="/", Recursive=True))) == 14


def test_parameters_are_described_by_filter(ssm):
    put(ssm, "/app/a", Description="the first")
    put(ssm, "/app/b", Type="SecureString")
    put(ssm, "/other")

    def described(**test) -> list[str]:
        return names([ssm.describe_parameters(ParameterFilters=[test])])

    assert described(Key="Name", Option="BeginsWith", Values=["/app"]) == ["/app/a", "/app/b"]
    assert described(Key="Type", Values=["SecureString"]) == ["/app/b"]
    assert described(Key="Path", Option="OneLevel", Values=["/app"]) == ["/app/a", "/app/b"]
    assert described(Key="Name", Option="Contains", Values=["the"]) == ["/other"]
    assert ssm.describe_parameters(Filters=[{"Key": "Name", "Values": ["/app/a"]}])["Parameters"][0]["Description"]
    assert len(names(ssm.get_paginator("describe_parameters").paginate(PaginationConfig={"PageSize": 2}))) == 3


def test_deleted_parameter_is_gone(ssm):
    put(ssm)
    ssm.delete_parameter(Name="/app/key")
    assert code(ssm.delete_parameter, Name="/app/key") == "ParameterNotFound"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"Name": "a/b"}, "ValidationException"),
        ({"Name": "/aws/x"}, "ValidationException"),
        ({"Name": "with space"}, "ValidationException"),
        ({"Value": ""}, "ValidationException"),
        ({"Value": "x" * 4097}, "ValidationException"),
        ({"Type": None}, "ValidationException"),
        ({"Type": "Number"}, "UnsupportedParameterType"),
        ({"AllowedPattern": "^\\d+$"}, "ParameterPatternMismatchException"),
        ({"Overwrite": True, "Tags": [{"Key": "a", "Value": "b"}]}, "ValidationException"),
    ],
)
def test_wrong_parameter_is_refused(hub, arguments, expected):
    ssm = hub.client("ssm", parameter_validation=False)
    told = {"Name": "/app/key", "Value": "one", "Type": "String", **arguments}
    assert code(ssm.put_parameter, **{name: value for name, value in told.items() if value is not None}) == expected


def test_type_stays_what_it_was(ssm):
    put(ssm)
    change = {"Name": "/app/key", "Value": "two", "Type": "SecureString", "Overwrite": True}
    assert code(ssm.put_parameter, **change) == "HierarchyTypeMismatchException"
    assert put(ssm, "/app/long", "x" * 5000, Tier="Advanced") == 1


def test_permission_is_asked_for_each_parameter(hub):
    home = hub.endpoint.world.management_id
    mine = hub.assume(home, Policy=ONLY % f"arn:aws:ssm:us-east-1:{home}:parameter/app/*")
    ssm = hub.client("ssm", mine)
    assert put(ssm) == 1
    assert ssm.get_parameter(Name="/app/key:1")["Parameter"]["Value"] == "one"
    assert code(ssm.put_parameter, Name="/other", Value="x", Type="String") == "AccessDeniedException"
    assert code(ssm.get_parameters, Names=["/app/key", "/other"]) == "AccessDeniedException"
    assert code(ssm.describe_parameters) == "AccessDeniedException"


def test_aws_cli_writes_a_parameter(hub, ssm):
    put(ssm)
    aws = Path(sys.executable).with_name("aws")
    told = subprocess.run(
        [aws, "ssm", "put-parameter", "--name", "/app/key", "--value", "two", "--overwrite", "--output", "json"],
        env={**os.environ, **hub.endpoint.env()},
        check=True,
        capture_output=True,
    )
    assert json.loads(told.stdout)["Version"] == 2
    assert ssm.get_parameter(Name="/app/key")["Parameter"]["Value"] == "two"
