"""KMS as botocore sees it: which keys there are, and in which state."""

from __future__ import annotations

import pytest

from fanout.testing import World

KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
ARN = "arn:aws:kms:us-east-1:999900000000:"


@pytest.fixture
def kms(serve):
    return serve(World.generate(1, kms_keys={KEY: "Disabled", "alias/mine": "Enabled"})).client("kms")


@pytest.mark.parametrize(
    ("asked", "state", "manager"),
    [
        (KEY, "Disabled", "CUSTOMER"),
        (f"{ARN}key/{KEY}", "Disabled", "CUSTOMER"),
        ("alias/mine", "Enabled", "CUSTOMER"),
        (f"{ARN}alias/mine", "Enabled", "CUSTOMER"),
        ("alias/aws/ebs", "Enabled", "AWS"),
    ],
)
def test_key_is_found_by_id_alias_and_arn(kms, asked, state, manager):
    found = kms.describe_key(KeyId=asked)["KeyMetadata"]
    assert (found["KeyState"], found["Enabled"], found["KeyManager"]) == (state, state == "Enabled", manager)
    assert found["Arn"] == f"{ARN}key/{found['KeyId']}"


@pytest.mark.parametrize(
    "asked", ["alias/none", "none", f"{ARN}key/none", ARN.replace("us-east", "eu-west") + f"key/{KEY}"]
)
def test_key_that_there_is_not(kms, code, asked):
    assert code(kms.describe_key, KeyId=asked) == "NotFoundException"


def test_aliases_name_their_keys(kms):
    aliases = {each["AliasName"]: each["TargetKeyId"] for each in kms.list_aliases()["Aliases"]}
    assert set(aliases) == {"alias/aws/ebs", "alias/aws/s3", "alias/aws/ssm", "alias/mine"}
    assert kms.describe_key(KeyId="alias/mine")["KeyMetadata"]["KeyId"] == aliases["alias/mine"]
