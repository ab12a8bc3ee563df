"""The environment of a program that works in another account: its credentials, and nothing of the caller's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fanout.tools.assume.loop import CHAIN

CALLERS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCOUNT_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CREDENTIAL_FILE",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_SSO_TOKEN",
    CHAIN,
)
"""Variables that hold, or lead to, credentials; some SDKs prefer one or another of them to the usual ones."""

_LOOPBACK = "127.0.0.1"


def program_environment(
    environ: Mapping[str, str], own: Mapping[str, str], *, region: str, hidden: tuple[str, ...] = ()
) -> dict[str, str]:
    """What is in the environment, without the caller's credentials and `hidden`, with `own` and the region."""
    gone = {*CALLERS, *hidden}
    kept = {name: value for name, value in environ.items() if name not in gone}
    return {**kept, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, **own}


@contextmanager
def endpoint_variables(url: str, token: str, environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The variables that lead to a credential endpoint, and past all files with credentials, while the block lasts.

    SDKs ask the endpoint last: after the AWS CLI's two files, whose `[default]` would win, and boto's old one.
    """
    with TemporaryDirectory(prefix="fanout-assume-", ignore_cleanup_errors=True) as name:
        files = {
            "AWS_CONFIG_FILE": Path(name, "config"),
            "AWS_SHARED_CREDENTIALS_FILE": Path(name, "credentials"),
            "BOTO_CONFIG": Path(name, "boto.cfg"),
        }
        for path in files.values():
            path.touch(mode=0o600)
        yield {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
            "AWS_EC2_METADATA_DISABLED": "true",  # no SDK shall fall back to the machine's own role
            **{variable: str(path) for variable, path in files.items()},
            **_past_proxies(environ),
        }


def _past_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """A proxy could not reach our loopback address, and must not see the token."""
    if not any(name.lower() in ("http_proxy", "all_proxy") for name in environ):
        return {}
    exempt = environ.get("no_proxy") or environ.get("NO_PROXY")
    return dict.fromkeys(("NO_PROXY", "no_proxy"), f"{exempt},{_LOOPBACK}" if exempt else _LOOPBACK)
