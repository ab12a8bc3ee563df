"""What a process must see, and must no longer see, so that it talks to the sandbox and to nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from fanout.tools.assume.environment import CALLERS
from fanout.tools.sandbox_seed import HOME_REGION, Seeded

# Each of these would lead past the sandbox (or fail beside an endpoint of our own), set or not.
_DETOURS = (
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_CA_BUNDLE",
    "BOTO_CONFIG",
    "FANOUT_PROFILE",
)
_TASTE = ("AWS_PAGER", "AWS_DEFAULT_OUTPUT", "AWS_CLI_AUTO_PROMPT", "AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS")
_LOOPBACK = "127.0.0.1,localhost"


def simulated_environment(
    address: str, seeded: Seeded, *, aws_home: Path, fanout_home: Path, environ: Mapping[str, str]
) -> dict[str, str | None]:
    """The variables to set, and those to unset (None): every `AWS_*` that is there, and all that could lead elsewhere.

    `address` is the sandbox's URL, `aws_home` a directory with the empty files `config` and `credentials`.
    """
    present = (name for name in environ if name.startswith("AWS_") and name.isidentifier() and name not in _TASTE)
    unset: dict[str, str | None] = dict.fromkeys((*CALLERS, *_DETOURS, *sorted(present)))
    return unset | {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": seeded.access_key_id,
        "AWS_SECRET_ACCESS_KEY": seeded.secret_access_key,
        "AWS_REGION": HOME_REGION,
        "AWS_DEFAULT_REGION": HOME_REGION,
        "AWS_CONFIG_FILE": str(aws_home / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(aws_home / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "FANOUT_HOME": str(fanout_home),
        **_without_proxy(environ),
    }


def _without_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """Else the SDK would ask a proxy for our loopback address."""
    exempt = environ.get("no_proxy") or environ.get("NO_PROXY")
    return dict.fromkeys(("NO_PROXY", "no_proxy"), f"{exempt},{_LOOPBACK}" if exempt else _LOOPBACK)


def real_credentials(environ: Mapping[str, str], home: Path) -> tuple[str, ...]:
    """Names of the variables and files that hold, or lead to, real credentials. Nothing is opened."""
    names = [name for name in CALLERS if environ.get(name)]
    for variable, usual in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        given = environ.get(variable)
        path = Path(given).expanduser() if given else home / ".aws" / usual
        if path.is_file():
            names.append(given or f"~/.aws/{usual}")
    return tuple(names)


def as_exports(environment: Mapping[str, str | None]) -> str:
    """The variables as lines for a POSIX shell, each value quoted."""
    unset = [name for name, value in environment.items() if value is None]
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items() if value is not None]
    return "\n".join([f"unset {' '.join(unset)}", *lines]) + "\n"
