"""What AWS's models mark as secret, and what they forget, is hidden wherever it stands."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from fanout.aws import operations_model
from fanout.tools.calls.reveal import RevealingStream, Vault, in_place_of, revealing
from fanout.tools.calls.secrets import FORGOTTEN, HIDDEN, hidden, secret_parts, secret_paths


def told(service: str, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
    shape = operations_model.operation(service, operation).output
    found: dict[str, Any] = hidden(answer, shape, service, lambda _: HIDDEN)
    return found


@pytest.mark.parametrize(
    ("service", "operation", "answer", "path"),
    [
        (
            "sts",
            "AssumeRole",
            {"Credentials": {"AccessKeyId": "A", "SecretAccessKey": "s3cret"}},
            "Credentials.SecretAccessKey",
        ),
        ("sts", "GetSessionToken", {"Credentials": {"SessionToken": "s3cret"}}, "Credentials.SessionToken"),
        (
            "iam",
            "CreateAccessKey",
            {"AccessKey": {"UserName": "u", "SecretAccessKey": "s3cret"}},
            "AccessKey.SecretAccessKey",
        ),
        (
            "ecr",
            "GetAuthorizationToken",
            {"authorizationData": [{"authorizationToken": "s3cret", "proxyEndpoint": "e"}]},
            "authorizationData[0].authorizationToken",
        ),
        ("codeartifact", "GetAuthorizationToken", {"authorizationToken": "s3cret"}, "authorizationToken"),
        ("ec2", "GetPasswordData", {"InstanceId": "i", "PasswordData": "s3cret"}, "PasswordData"),
        ("ec2", "CreateKeyPair", {"KeyName": "k", "KeyMaterial": "s3cret"}, "KeyMaterial"),
        ("ec2", "DescribeInstanceAttribute", {"InstanceId": "i", "UserData": {"Value": "s3cret"}}, "UserData"),
        (
            "ec2",
            "DescribeLaunchTemplateVersions",
            {"LaunchTemplateVersions": [{"LaunchTemplateData": {"UserData": "s3cret", "ImageId": "a"}}]},
            "LaunchTemplateVersions[0].LaunchTemplateData.UserData",
        ),
        (
            "autoscaling",
            "DescribeLaunchConfigurations",
            {"LaunchConfigurations": [{"UserData": "s3cret", "ImageId": "a"}]},
            "LaunchConfigurations[0].UserData",
        ),
        ("secretsmanager", "GetSecretValue", {"Name": "n", "SecretString": "s3cret"}, "SecretString"),
        ("ssm", "GetParameter", {"Parameter": {"Name": "n", "Value": "s3cret"}}, "Parameter.Value"),
        ("ssm", "StartSession", {"SessionId": "s", "TokenValue": "s3cret"}, "TokenValue"),
        ("kms", "Decrypt", {"KeyId": "k", "Plaintext": "s3cret"}, "Plaintext"),
        (
            "lambda",
            "ListFunctions",
            {"Functions": [{"FunctionName": "f", "Environment": {"Variables": {"A": "s3cret"}}}]},
            "Functions[0].Environment.Variables",
        ),
        ("lambda", "GetFunction", {"Code": {"RepositoryType": "S3", "Location": "s3cret"}}, "Code.Location"),
        (
            "ecs",
            "DescribeTaskDefinition",
            {"taskDefinition": {"containerDefinitions": [{"environment": [{"name": "A", "value": "s3cret"}]}]}},
            "taskDefinition.containerDefinitions[0].environment[0].value",
        ),
        (
            "glue",
            "GetConnection",
            {"Connection": {"ConnectionProperties": {"PASSWORD": "s3cret", "HOST": "h"}}},
            "Connection.ConnectionProperties.PASSWORD",
        ),
        ("apigateway", "GetApiKey", {"id": "i", "value": "s3cret"}, "value"),
        (
            "cognito-identity",
            "GetCredentialsForIdentity",
            {"Credentials": {"SecretKey": "s3cret"}},
            "Credentials.SecretKey",
        ),
        ("redshift", "GetClusterCredentials", {"DbUser": "u", "DbPassword": "s3cret"}, "DbPassword"),
    ],
)
def test_a_secret_is_hidden_and_nothing_else(service, operation, answer, path):
    shape = operations_model.operation(service, operation).output

    assert list(secret_paths(answer, shape, service)) == [path]
    assert "s3cret" not in json.dumps(told(service, operation, answer))


@pytest.mark.parametrize(
    ("service", "operation", "answer"),
    [
        ("ec2", "DescribeVpcs", {"Vpcs": [{"VpcId": "v", "Tags": [{"Key": "password", "Value": "x"}]}]}),
        ("ec2", "DescribeInstanceAttribute", {"InstanceType": {"Value": "t3.micro"}}),
        ("cognito-idp", "DescribeUserPoolClient", {"UserPoolClient": {"TokenValidityUnits": {"AccessToken": "days"}}}),
        ("rds", "DescribeDBInstances", {"DBInstances": [{"MasterUserSecret": {"SecretArn": "arn"}}]}),
        ("ssm", "DescribeParameters", {"NextToken": "n", "Parameters": [{"Name": "a"}]}),
        ("iam", "GetAccountPasswordPolicy", {"PasswordPolicy": {"MinimumPasswordLength": 8}}),
    ],
)
def test_what_is_no_secret_stays(service, operation, answer):
    assert told(service, operation, answer) == answer


def test_what_the_models_forget_is_there():
    for service, members in FORGOTTEN.items():
        model = operations_model._model(service)
        for shape, member in members:
            assert member in model.shape_for(shape).members, (service, shape, member)


def test_an_answer_with_members_that_no_model_knows_is_left_as_it_is():
    answer = {"Parameter": {"New": {"a": 1}}, "Newer": [1]}

    assert told("ssm", "GetParameter", answer) == answer
    assert hidden({"a": 1}, None, "ssm", lambda _: HIDDEN) == {"a": 1}


def test_secret_parameters_are_found():
    members = {"Name": "n", "Value": "s3cret", "Tags": [{"Key": "a", "Value": "b"}]}

    assert secret_parts(members, operations_model.operation("ssm", "PutParameter").input, "ssm") == ["s3cret"]


SECRET = 'a"b\\c\n ü\u2028{}'


def test_without_reveal_nothing_stands_for_a_secret():
    assert in_place_of(SECRET) == HIDDEN


def test_revealing_gives_secrets_back_in_what_is_written_and_nowhere_else():
    out = io.StringIO()
    with revealing(out) as stream:
        row = {"text": in_place_of(SECRET), "map": in_place_of({"A": [1]}), "joined": f"v={in_place_of(SECRET)};"}
        kept = json.dumps(row)
        stream.write(kept + "\n")

    assert json.loads(out.getvalue()) == {"text": SECRET, "map": {"A": [1]}, "joined": f"v={SECRET};"}
    assert "\u2028" not in out.getvalue(), "a terminal or a reader may act on it"
    assert all(part not in kept for part in ('a\\"b', "ü", '"A"'))
    assert kept.count("***#") == 3
    assert in_place_of(SECRET) == HIDDEN


def test_a_map_inside_of_a_text_is_written_as_json():
    vault = Vault()
    text = json.dumps({"a": f"env: {vault.seal({'A': 'x'})}"})

    assert json.loads(vault.revealed(text)) == {"a": 'env: {"A":"x"}'}


def test_what_only_looks_like_a_secrets_place_is_left():
    text = f'"***#{"0" * 32}" ***#12 ***'

    assert Vault().revealed(text) == text


def test_the_stream_behaves_as_the_one_behind_it(tmp_path):
    path = tmp_path / "out"
    with path.open("w", encoding="ascii") as file:
        stream = RevealingStream(file, Vault())
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        assert stream.write("ü") == 1
        assert (stream.fileno(), stream.isatty(), stream.encoding) == (file.fileno(), False, "utf-8")

    RevealingStream(io.StringIO(), Vault()).reconfigure(encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "ü"
