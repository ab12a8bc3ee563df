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
        ({"Value": "é" * 2049}, "ValidationException"),
        ({"Value": "x" * 8193, "Tier": "Advanced"}, "ValidationException"),
        ({"Tier": "Cheap"}, "ValidationException"),
        ({"Name": "/a" * 16}, "HierarchyLevelLimitExceededException"),
        ({"Name": "/" + "a" * 967}, "ValidationException"),
        ({"Value": "{{ssm:other}}"}, "ValidationException"),
        ({"KeyId": "alias/mine"}, "ValidationException"),
        ({"KeyId": "no key", "Type": "SecureString"}, "ValidationException"),
        ({"Description": "x" * 1025}, "ValidationException"),
        ({"AllowedPattern": "("}, "InvalidAllowedPatternException"),
        ({"Tags": [{"Key": "aws:x", "Value": "b"}]}, "ValidationException"),
        ({"Tags": [{"Key": "a!", "Value": "b"}]}, "ValidationException"),
        ({"Tags": [{"Key": f"k{number}", "Value": "b"} for number in range(51)]}, "TooManyTagsError"),
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


def test_every_version_keeps_what_came_with_it(ssm):
    put(ssm, "/app/s", "one", Type="SecureString", KeyId="alias/mine", Description="first")
    put(ssm, "/app/s", "two", Type="SecureString", Overwrite=True, Tier="Advanced")
    told = ssm.get_parameter_history(Name="/app/s", WithDecryption=True)["Parameters"]
    kept = [(each["Version"], each["Value"], each["KeyId"], each["Tier"], each["Description"]) for each in told]
    assert kept == [
        (1, "one", "alias/mine", "Standard", "first"),
        (2, "two", "alias/aws/ssm", "Advanced", "first"),
    ]
    assert ssm.get_parameter(Name="/app/s:1", WithDecryption=True)["Parameter"]["Value"] == "one"
    told = ssm.get_parameters(Names=["/app/s:1"])["Parameters"][0]
    assert told["Selector"] == ":1"
    assert told["Value"].startswith("AQICAHh")
    assert code(ssm.get_parameter_history, Name="/none") == "ParameterNotFound"


def test_a_hundred_versions_are_kept(ssm):
    for number in range(101):
        put(ssm, value=str(number), Overwrite=True)
    assert code(ssm.get_parameter, Name="/app/key:1") == "ParameterVersionNotFound"
    assert ssm.get_parameter(Name="/app/key:2")["Parameter"]["Value"] == "1"


def test_several_are_deleted_at_once_ten_at_most(hub, ssm):
    put(ssm, "a")
    put(ssm, "b")
    told = ssm.delete_parameters(Names=["a", "b", "c"])
    assert (told["DeletedParameters"], told["InvalidParameters"]) == (["a", "b"], ["c"])
    loose = hub.client("ssm", parameter_validation=False)
    eleven = [str(number) for number in range(11)]
    assert code(loose.delete_parameters, Names=eleven) == "ValidationException"
    assert code(loose.get_parameters, Names=eleven) == "ValidationException"


def test_tags_are_added_removed_and_found(ssm):
    put(ssm, "/app/a", Tags=[{"Key": "env", "Value": "prod"}])
    put(ssm, "/app/b")
    about = {"ResourceType": "Parameter", "ResourceId": "/app/b"}
    ssm.add_tags_to_resource(**about, Tags=[{"Key": "env", "Value": "prod"}, {"Key": "team", "Value": "web"}])

    def found(**tags) -> list[str]:
        tests = [{"Key": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
        return names([ssm.describe_parameters(ParameterFilters=tests)])

    assert found(env="prod") == ["/app/a", "/app/b"]
    assert found(env="prod", team="web") == ["/app/b"]
    ssm.remove_tags_from_resource(**about, TagKeys=["env", "none"])
    assert ssm.list_tags_for_resource(**about)["TagList"] == [{"Key": "team", "Value": "web"}]
    assert put(ssm, "/app/a", "two", Overwrite=True) == 2
    assert found(env="prod") == ["/app/a"]
    missing = {"ResourceType": "Parameter", "ResourceId": "/none"}
    assert code(ssm.list_tags_for_resource, **missing) == "InvalidResourceId"
    assert code(ssm.list_tags_for_resource, ResourceType="Document", ResourceId="x") == "InvalidResourceType"
    fifty = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    assert code(ssm.add_tags_to_resource, **about, Tags=fifty) == "TooManyTagsError"


def test_an_advanced_parameter_stays_advanced(ssm):
    assert (
        ssm.put_parameter(Name="/app/a", Value="x" * 4097, Type="String", Tier="Intelligent-Tiering")["Tier"]
        == "Advanced"
    )
    change = {"Name": "/app/a", "Value": "small", "Overwrite": True}
    assert code(ssm.put_parameter, **change, Tier="Standard") == "ValidationException"
    assert ssm.put_parameter(**change, Tier="Intelligent-Tiering")["Tier"] == "Advanced"
    assert ssm.put_parameter(**change)["Tier"] == "Advanced"
    assert ssm.put_parameter(Name="/app/b", Value="x", Type="String", Tier="Intelligent-Tiering")["Tier"] == "Standard"
    assert ssm.put_parameter(Name="/app/b", Value="x", Overwrite=True, Tier="Advanced")["Tier"] == "Advanced"


def test_a_key_of_ones_own_takes_the_permissions_of_kms(hub):
    home = hub.endpoint.world.management_id
    mine = hub.client("ssm", hub.assume(home, Policy=ONLY % "*"))
    secret = {"Type": "SecureString", "Tier": "Advanced"}
    assert put(mine, "/app/default", **secret) == 1
    assert mine.get_parameter(Name="/app/default", WithDecryption=True)["Parameter"]["Value"] == "one"
    assert code(mine.put_parameter, Name="/app/own", Value="x", KeyId="alias/mine", **secret) == "AccessDeniedException"
    put(hub.client("ssm"), "/app/own", KeyId="alias/mine", **secret)
    with pytest.raises(ClientError, match=r"kms:Decrypt on resource: arn:aws:kms:us-east-1:\d+:key/mine"):
        mine.get_parameters(Names=["/app/own"], WithDecryption=True)
    assert mine.get_parameters(Names=["/app/own"])["Parameters"]
    assert code(mine.get_parameter_history, Name="/app/own", WithDecryption=True) == "AccessDeniedException"


def test_tags_along_with_a_new_parameter_take_a_permission_of_their_own(hub):
    home = hub.endpoint.world.management_id
    policy = ONLY.replace("ssm:*", "ssm:PutParameter") % "*"
    mine = hub.client("ssm", hub.assume(home, Policy=policy))
    assert put(mine) == 1
    tagged = {"Name": "/app/b", "Value": "x", "Type": "String", "Tags": [{"Key": "a", "Value": "b"}]}
    assert code(mine.put_parameter, **tagged) == "AccessDeniedException"


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
