"""What a program that works in another account finds in its environment, and what not."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fanout.tools.assume.environment import CALLERS, endpoint_variables, program_environment


def test_nothing_of_the_callers_credentials_is_left_and_the_rest_is_as_it_was():
    before = dict.fromkeys((*CALLERS, "FANOUT_MFA_CODE"), "caller") | {"HOME": "/h", "AWS_ENDPOINT_URL": "http://e"}

    found = program_environment(before, {"AWS_ACCESS_KEY_ID": "own"}, region="eu-west-1", hidden=("FANOUT_MFA_CODE",))

    assert found == {
        "HOME": "/h",
        "AWS_ENDPOINT_URL": "http://e",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "own",
    }


def test_the_files_beside_an_endpoint_are_empty_private_and_gone_afterwards():
    with endpoint_variables("http://127.0.0.1:1/credentials", "secret", {}) as found:
        files = [Path(found[name]) for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG")]
        assert [path.read_bytes() for path in files] == [b"", b"", b""]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert {stat.S_IMODE(path.parent.stat().st_mode) for path in files} == {0o700}
        assert found["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://127.0.0.1:1/credentials"
        assert found["AWS_CONTAINER_AUTHORIZATION_TOKEN"] == "secret"
        assert not {"AWS_ACCESS_KEY_ID", "NO_PROXY"} & set(found)

    assert not any(path.exists() for path in files)


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_never_sees_the_token(proxy: str):
    with endpoint_variables("u", "t", {proxy: "http://proxy", "NO_PROXY": "intranet"}) as found:
        assert found["no_proxy"] == found["NO_PROXY"] == "intranet,127.0.0.1"
