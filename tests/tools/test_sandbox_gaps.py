"""What moto does not implement is refused in the protocol that was spoken."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.parsers import create_parser

from fanout.tools.sandbox_gaps import known, refusing


def asked(service: str, **more: str) -> dict[str, str]:
    scope = f"Credential=AKIA/20250101/us-east-1/{service}/aws4_request"
    return {"HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host", "PATH_INFO": "/", **more}


@pytest.mark.parametrize(
    ("environ", "protocol"),
    [
        (asked("sts"), "query"),
        (asked("ec2"), "ec2"),
        (asked("s3", PATH_INFO="/bucket"), "rest-xml"),
        (asked("access-analyzer", PATH_INFO="/analyzer"), "rest-json"),
        (asked("cloudtrail", HTTP_X_AMZ_TARGET="CloudTrail.LookupEvents"), "json"),
    ],
)
def test_the_sdk_reads_code_and_message_in_every_protocol(environ: dict[str, str], protocol: str):
    def lacking(_environ: Any, _start: Any) -> list[bytes]:
        raise NotImplementedError("The <x> action")

    told: dict[str, Any] = {}
    start = lambda status, headers: told.update(status_code=int(status[:3]), headers=dict(headers))  # noqa: E731  # WSGI's
    body = b"".join(refusing(lacking)(environ, start))
    error = create_parser(protocol).parse({**told, "body": body}, None)["Error"]
    assert (told["status_code"], error["Code"]) == (400, "NotImplemented")
    assert error["Message"].endswith("(The <x> action)")


def test_what_is_there_answers_as_it_does():
    answer = refusing(lambda _environ, start: [str(start("200 OK", [])).encode()])
    assert list(answer(asked("sts"), lambda status, _headers: status)) == [b"200 OK"]


def test_a_host_without_a_backend_is_not_implemented_and_no_host_is_none():
    find = known({"sts.amazonaws.com": "sts"}.get)
    assert find("sts.amazonaws.com") == "sts"
    assert find(None) is None
    with pytest.raises(NotImplementedError, match="no access-analyzer"):
        find("access-analyzer.us-east-1.amazonaws.com")
