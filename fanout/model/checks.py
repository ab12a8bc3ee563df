"""Checks of what people type about access: account ids, roles, session names, external ids, durations, organization ids.

Each check returns nothing and raises `UsageError` with a hint; the patterns are those of the STS, IAM and Organizations
service models.
"""

from __future__ import annotations

import re
from datetime import timedelta

from fanout.model.account import is_account_id
from fanout.model.errors import UsageError

MINIMUM_DURATION = timedelta(seconds=900)
MAXIMUM_DURATION = timedelta(seconds=43200)

_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_MFA_SERIAL = re.compile(r"[\w+=/:,.@-]{9,256}", re.ASCII)
_MFA_CODE = re.compile(r"\d{6}", re.ASCII)
_ORGANIZATION_ID = re.compile(r"o-[a-z0-9]{10,32}")
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_ROLE_PATH = re.compile(r"(?:[\x21-\x2e\x30-\x7e]+/){0,}")
_ROLE_ARN = re.compile(r"arn:aws(?:-[a-z]+)*:iam::(\d{12}):role/(.+)", re.ASCII)
_PLACEHOLDERS = {"account_id": "000000000000", "partition": "aws"}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d{1,2}")
_ACCOUNT_IN_ARN = re.compile(r"arn:[\w-]+:[\w-]*:[\w-]*:(\d{12})?:(.*)", re.ASCII | re.DOTALL)


def check_account_id(text: str) -> None:
    """Check that `text` is a twelve-digit account id.

    :raises UsageError: if it is not, saying what may be meant.
    """
    if not is_account_id(text):
        raise UsageError(f"{text!r} is not an account id", account_id_hint(text))


def account_id_hint(text: str) -> str:
    """What somebody who wrote `text` for an account id may have meant."""
    digits = re.sub(r"[\s'\"-]", "", text)
    if is_account_id(digits):
        return f"write {digits}"
    if _ROUNDED.fullmatch(text.strip()):
        return "a spreadsheet has rounded it: format the column as text, and take the ids from their source again"
    found = _ACCOUNT_IN_ARN.fullmatch(text.strip())
    if found:
        return _arn_hint(found[1], found[2])
    if text.isascii() and text.isdecimal():
        return _digits_hint(text)
    return "an account id has twelve digits, such as 111122223333"


def _arn_hint(account: str | None, resource: str) -> str:
    # arn:aws:organizations::MANAGEMENT:account/o-…/ACCOUNT and …:ou/o-…/ou-…: the account in front is the owner's.
    kind, _, rest = resource.partition("/")
    last = rest.rpartition("/")[2]
    if kind == "account" and is_account_id(last):
        return f"write the account id alone: {last}"
    if kind == "ou" and last:
        return f"write ou:{last}"
    return f"this is an ARN; write the account id alone: {account}" if account else "this is an ARN, not an account id"


def _digits_hint(text: str) -> str:
    said = f"an account id has twelve digits, this has {len(text)}"
    if 9 <= len(text) < 12:
        return f"{said}; if a spreadsheet ate leading zeros, it was {text.zfill(12)}"
    return said


def check_role(text: str) -> None:
    """Check a role: NAME, path/NAME, or an ARN; `{account_id}` and `{partition}` may stand in each.

    :raises UsageError: if it is none of these.
    """
    filled = _fill(text)
    if filled.startswith("arn:"):
        found = _ROLE_ARN.fullmatch(filled)
        if found is None:
            raise UsageError(f"{text!r} is not the ARN of a role", _role_arn_hint(text))
        filled = found[2]
    path, _, name = filled.rpartition("/")
    if not _ROLE_NAME.fullmatch(name):
        raise UsageError(f"{text!r} is not a role", "a role's name has 1 to 64 letters, digits or any of _+=,.@-")
    if path.startswith("/") or filled.startswith("/") or (path and not _ROLE_PATH.fullmatch(path + "/")):
        raise UsageError(f"{text!r} is not a role with a path", "write path/NAME, without a slash in front")
    if len(path) > 510:
        raise UsageError(f"the path of the role {text[:40]!r}… is too long", "IAM allows 512 characters")


def _fill(text: str) -> str:
    for found in _PLACEHOLDER.finditer(text):
        if found[1] not in _PLACEHOLDERS:
            raise UsageError(
                f"the role {text!r} has an unknown placeholder {found[0]}", "there are {account_id} and {partition}"
            )
    filled = _PLACEHOLDER.sub(lambda found: _PLACEHOLDERS[found[1]], text)
    if "{" in filled or "}" in filled:
        raise UsageError(f"the role {text!r} has a brace without its partner", "there are {account_id} and {partition}")
    return filled


def _role_arn_hint(text: str) -> str:
    if ":assumed-role/" in text:
        return (
            "this is a session of a role; write arn:{partition}:iam::{account_id}:role/NAME, or the role's name alone"
        )
    return "write arn:{partition}:iam::{account_id}:role/NAME, or the role's name alone"


def role_account(text: str) -> str | None:
    """The account that a role's ARN names literally; None for names and for templates with `{account_id}`."""
    found = re.fullmatch(r"arn:[^:]+:iam::(\d{12}):role/.+", text, re.ASCII)
    return found[1] if found else None


def check_session_name(text: str) -> None:
    """Check the name of an assumed role's session.

    :raises UsageError: if STS would not take it.
    """
    if not _SESSION_NAME.fullmatch(text):
        raise UsageError(f"{text!r} is not a session name", "it has 2 to 64 letters, digits or any of _+=,.@-")


def check_source_identity(text: str) -> None:
    """Check a source identity.

    :raises UsageError: if STS would not take it.
    """
    if not _SESSION_NAME.fullmatch(text):
        raise UsageError(f"{text!r} is not a source identity", "it has 2 to 64 letters, digits or any of _+=,.@-")
    if text.lower().startswith("aws:"):
        raise UsageError(f"the source identity {text!r} begins with aws:, which AWS keeps for itself")


def check_mfa_serial(text: str) -> None:
    """Check the serial number of an MFA device: the ARN of a virtual one, or a hardware one's number.

    :raises UsageError: if STS would not take it.
    """
    if not _MFA_SERIAL.fullmatch(text) or (text.startswith("arn:") and ":mfa/" not in text):
        raise UsageError(
            f"{text!r} is not the serial number of an MFA device",
            "write the ARN of a virtual device, arn:aws:iam::111122223333:mfa/NAME, or the number of a hardware one",
        )


def check_mfa_code(text: str) -> None:
    """Check a code of an MFA device; the message never holds it.

    :raises UsageError: if it is not six digits.
    """
    if not _MFA_CODE.fullmatch(text):
        raise UsageError("the MFA code (not shown) is not one", "it has six digits")


def check_external_id(text: str) -> None:
    """Check an external id; the message never holds it.

    :raises UsageError: if STS would not take it.
    """
    if not _EXTERNAL_ID.fullmatch(text):
        raise UsageError(
            f"the external id ({len(text)} characters, not shown) is not one that STS takes",
            "it has 2 to 1224 letters, digits or any of _+=,.@:/-, and no spaces",
        )


def check_duration(duration: timedelta) -> None:
    """Check how long an assumed role's credentials shall live: 15 minutes to 12 hours.

    :raises UsageError: if STS would not take it.
    """
    if not MINIMUM_DURATION <= duration <= MAXIMUM_DURATION:
        raise UsageError(
            f"a duration of {duration.total_seconds():g} seconds is outside of what STS gives",
            "it is between 15m and 12h; more than 1h needs a role that allows it",
        )


def check_organization_id(text: str) -> None:
    """Check the id of an organization.

    :raises UsageError: if it is not like o-a1b2c3d4e5.
    """
    if not _ORGANIZATION_ID.fullmatch(text):
        raise UsageError(
            f"{text!r} is not the id of an organization",
            "it is o- and 10 to 32 lower-case letters or digits, such as o-a1b2c3d4e5",
        )
