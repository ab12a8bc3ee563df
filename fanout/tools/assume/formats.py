"""Writes credentials as `aws configure export-credentials` does: lines for each shell, and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from fanout.model.errors import AccessError

if TYPE_CHECKING:
    from fanout.app.entering import Keys

_SHELLS = {
    "env": "export {name}={value}\n",
    "env-no-export": "{name}={value}\n",
    "fish": 'set -gx {name} "{value}"\n',
    "powershell": '$Env:{name}="{value}"\n',
    "windows-cmd": "set {name}={value}\n",
}
_PLAIN = re.compile(r"[A-Za-z0-9+/=_.:@,-]+", re.ASCII)


def shell_lines(line: str, keys: Keys) -> str:
    """One line for each variable of the credentials; `line` has {name} and {value}.

    :raises AccessError: if a value holds what a shell might run. AWS's own are base64; the AWS CLI quotes nothing.
    """
    variables = as_variables(keys)
    for name, value in variables.items():
        if not _PLAIN.fullmatch(value):
            raise AccessError(
                f"account {keys.account_id}: {name} holds a character that no credentials of AWS have, and a shell might "
                "run it",
                "look at who answers in the place of AWS, or use --format json",
            )
    return "".join(line.format(name=name, value=value) for name, value in variables.items())


def as_variables(keys: Keys) -> dict[str, str]:
    """The environment variables that hold the credentials."""
    variables = {"AWS_ACCESS_KEY_ID": keys.access_key, "AWS_SECRET_ACCESS_KEY": keys.secret_key}
    if keys.token is not None:
        variables["AWS_SESSION_TOKEN"] = keys.token
    if keys.expiration is not None:
        variables["AWS_CREDENTIAL_EXPIRATION"] = keys.expiration.isoformat()
    return variables


def _fields(keys: Keys) -> dict[str, str]:
    fields = {"AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key}
    if keys.token is not None:
        fields["SessionToken"] = keys.token
    if keys.expiration is not None:
        fields["Expiration"] = keys.expiration.isoformat()
    return fields


def _process(keys: Keys, _identity: str) -> str:
    """What an SDK expects of a `credential_process`."""
    return json.dumps({"Version": 1, **_fields(keys)}, indent=2) + "\n"


def _json(keys: Keys, identity: str) -> str:
    """Credentials as `aws sts assume-role` prints them, and whose they are as `aws sts get-caller-identity` does.

    Without an "Arn" where that is not known.
    """
    document = {"Credentials": _fields(keys), "Account": keys.account_id}
    document |= {"Arn": identity} if identity else {}
    return json.dumps(document, indent=2) + "\n"


def _shell(line: str) -> Callable[[Keys, str], str]:
    return lambda keys, _identity: shell_lines(line, keys)


FORMATS: dict[str, Callable[[Keys, str], str]] = {
    **{name: _shell(line) for name, line in _SHELLS.items()},
    "process": _process,
    "json": _json,
}
"""By name: writes credentials, given the ARN that they act as; empty where it is not known."""
