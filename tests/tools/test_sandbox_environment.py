"""What a process sees of the sandbox, and no longer sees of the real world."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fanout.tools.sandbox_environment import as_exports, real_credentials, simulated_environment
from fanout.tools.sandbox_seed import Seeded

SEEDED = Seeded(
    account="111111111111", organization="o-1", accounts=2, suspended=0, access_key_id="AKIA", secret_access_key="s"
)


def environment(environ: dict[str, str]) -> dict[str, str | None]:
    return simulated_environment(
        "http://127.0.0.1:1", SEEDED, aws_home=Path("/s/aws"), fanout_home=Path("/s/state"), environ=environ
    )


@pytest.mark.parametrize(
    "name",
    [
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ENDPOINT_URL_STS",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_SOMETHING_NEW",
        "FANOUT_PROFILE",
    ],
)
def test_what_could_lead_past_the_sandbox_is_unset(name: str) -> None:
    assert environment({name: "x"})[name] is None


def test_profiles_and_tokens_are_unset_even_where_they_are_not_set_now() -> None:
    assert environment({})["AWS_PROFILE"] is None
    assert environment({})["AWS_SESSION_TOKEN"] is None


def test_matters_of_taste_and_the_rest_are_left_alone() -> None:
    assert not {"AWS_PAGER", "HOME", "FANOUT_ROLE"} & set(
        environment({"AWS_PAGER": "", "HOME": "/h", "FANOUT_ROLE": "R"})
    )


def test_hosts_that_need_no_proxy_stay_so() -> None:
    assert environment({"NO_PROXY": "intranet"})["no_proxy"] == "intranet,127.0.0.1,localhost"
    assert environment({"no_proxy": "a", "NO_PROXY": "b"})["NO_PROXY"] == "a,127.0.0.1,localhost"
    assert environment({})["NO_PROXY"] == "127.0.0.1,localhost"


def test_a_shell_reads_the_exports_back_as_they_were() -> None:
    hostile = 'it\'s $(id) `id` "x" \\ *'
    script = as_exports({"GONE": None, "KEPT": hostile})
    done = subprocess.run(
        ["/bin/sh", "-c", script + 'printf "%s|%s" "${GONE-unset}" "$KEPT"'],
        env={"GONE": "still here"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"unset|{hostile}"


def test_a_variable_whose_name_is_no_name_never_reaches_a_shell() -> None:
    assert "touch" not in as_exports(environment({"AWS_X;touch /tmp/x": "1"}))


def test_real_credentials_are_named_not_shown(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_secret_access_key = real\n")
    found = real_credentials({"AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_PROFILE": "", "AWS_REGION": "eu-west-1"}, tmp_path)
    assert found == ("AWS_ACCESS_KEY_ID", "~/.aws/credentials")


def test_files_that_variables_name_are_named_by_their_path(tmp_path: Path) -> None:
    config = tmp_path / "corp-config"
    config.touch()
    environ = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "absent")}
    assert real_credentials(environ, tmp_path) == (str(config),)
