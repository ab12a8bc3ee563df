"""Credentials look as the AWS CLI v2 exports them; the CLI of the tests, v1, cannot print them but reads them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from fanout.app.entering import Keys
from fanout.model.errors import AccessError
from fanout.tools.assume.formats import FORMATS

STATIC = Keys(access_key="AKIAEXAMPLE", secret_key="wJalr/XUtn+FEMI=", account_id="111122223333")
KEYS = replace(STATIC, token="IQoJ//b3+JpZ==", expiration=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
ARN = "arn:aws:sts::111122223333:assumed-role/R/s"
LINES = {
    "env": "export {}={}\n",
    "env-no-export": "{}={}\n",
    "fish": 'set -gx {} "{}"\n',
    "powershell": '$Env:{}="{}"\n',
    "windows-cmd": "set {}={}\n",
}
SHELLS = sorted(LINES)


@pytest.mark.parametrize("form", SHELLS)
def test_each_shell_gets_its_lines_in_the_order_of_the_aws_cli(form: str):
    line = LINES[form]
    long_lived = line.format("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE") + line.format(
        "AWS_SECRET_ACCESS_KEY", "wJalr/XUtn+FEMI="
    )

    assert FORMATS[form](STATIC, ARN) == long_lived
    assert FORMATS[form](KEYS, ARN) == (
        long_lived
        + line.format("AWS_SESSION_TOKEN", "IQoJ//b3+JpZ==")
        + line.format("AWS_CREDENTIAL_EXPIRATION", "2026-01-02T03:04:05+00:00")
    )


def test_a_process_gets_the_document_of_version_1_byte_for_byte():
    assert FORMATS["process"](KEYS, ARN) == (
        '{\n  "Version": 1,\n  "AccessKeyId": "AKIAEXAMPLE",\n  "SecretAccessKey": "wJalr/XUtn+FEMI=",\n'
        '  "SessionToken": "IQoJ//b3+JpZ==",\n  "Expiration": "2026-01-02T03:04:05+00:00"\n}\n'
    )
    assert set(json.loads(FORMATS["process"](STATIC, ARN))) == {"Version", "AccessKeyId", "SecretAccessKey"}


def test_json_names_no_arn_where_none_is_known():
    assert set(json.loads(FORMATS["json"](KEYS, ""))) == {"Credentials", "Account"}


def test_json_says_whose_credentials_they_are():
    found = json.loads(FORMATS["json"](KEYS, ARN))

    assert (found["Account"], found["Arn"]) == ("111122223333", ARN)
    assert found["Credentials"] == {
        "AccessKeyId": "AKIAEXAMPLE",
        "SecretAccessKey": "wJalr/XUtn+FEMI=",
        "SessionToken": "IQoJ//b3+JpZ==",
        "Expiration": "2026-01-02T03:04:05+00:00",
    }


@pytest.mark.parametrize(("form", "mark"), [("env", ""), ("env-no-export", "set -a; ")])
def test_a_shell_reads_back_what_was_written(form: str, mark: str):
    script = f'{mark}eval "$1"; env'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", FORMATS[form](KEYS, ARN)], env={}, capture_output=True, text=True, check=True
    )

    assert {"AWS_SECRET_ACCESS_KEY=wJalr/XUtn+FEMI=", "AWS_SESSION_TOKEN=IQoJ//b3+JpZ=="} <= set(done.stdout.split())


@pytest.mark.parametrize("value", ["x$(id)", "x;id", "x y", "`id`", "%PATH%", 'x"', "x\nid", ""])
@pytest.mark.parametrize("form", SHELLS)
def test_what_a_shell_might_run_is_refused_and_not_shown(form: str, value: str):
    with pytest.raises(AccessError) as caught:
        FORMATS[form](replace(KEYS, token=value), ARN)

    assert "111122223333" in caught.value.message
    assert "AWS_SESSION_TOKEN" in caught.value.message
    assert "id" not in caught.value.message.replace("AWS_ACCESS_KEY_ID", "")
    assert json.loads(FORMATS["json"](replace(KEYS, token=value), ARN))["Credentials"]["SessionToken"] == value
