"""Checks of what people type about a role that is to be written: IAM's patterns, and what would never work."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone

from fanout.model.checks import check_role
from fanout.model.duration import parse_duration
from fanout.model.errors import UsageError
from fanout.model.trust import MANAGED_TAG, ROLE_SESSIONS

MOST_TAGS = 50
"""Tags of a role (IAM user guide, "IAM and AWS STS quotas")."""

MFA_SESSION = timedelta(hours=36)
"""How long the session of an MFA code can be at most (STS API reference, GetSessionToken)."""

_DESCRIPTION = re.compile(r"[\t\n\r\x20-\x7e\xa1-\xff]{0,1000}")
_POLICY_ARN = re.compile(r"arn:aws(?:-[a-z]+)*:iam::(?:aws|\d{12}):policy/[\w+=,.@/-]{1,512}", re.ASCII)
_PARTITION = re.compile(r"aws(?:-[a-z]+)*")
_TAG_KEY = re.compile(r"[\w .:/=+\-@]{1,128}")
_TAG_VALUE = re.compile(r"[\w .:/=+\-@]{0,256}")


def check_name(text: str) -> None:
    """Check the name of a role.

    :raises UsageError: if IAM would not take it.
    """
    if "/" in text:
        raise UsageError(f"{text!r} is not the name of a role", "give the path with --path, and the name alone")
    check_role(text)


def checked_path(text: str) -> str:
    """The path of a role, with a slash at both ends.

    :raises UsageError: if IAM would not take it.
    """
    path = text.strip("/")
    if not path:
        return "/"
    try:
        check_role(f"{path}/x")
    except UsageError as error:
        raise UsageError(f"{text!r} is not a path for a role", error.hint) from None
    return f"/{path}/"


def check_description(text: str) -> None:
    """Check the description of a role.

    :raises UsageError: if IAM would not take it.
    """
    if not _DESCRIPTION.fullmatch(text):
        raise UsageError("the description is not one that IAM takes", "it has at most 1000 characters of Latin-1")


def check_policy_arn(text: str) -> None:
    """Check the ARN of a managed policy.

    :raises UsageError: if it is none.
    """
    if not _POLICY_ARN.fullmatch(text):
        raise UsageError(
            f"{text!r} is not the ARN of a managed policy",
            "write arn:aws:iam::aws:policy/ReadOnlyAccess, or arn:{partition}:iam::{account_id}:policy/NAME",
        )


def checked_partition(given: str | None, arns: Sequence[str]) -> str:
    """The one partition that was given, or that ARNs are of; aws where none says so.

    :raises UsageError: if they are of several: no role in one partition can trust a principal in another.
    """
    if given is not None and not _PARTITION.fullmatch(given):
        raise UsageError(f"{given!r} is not a partition", "it is aws, aws-cn, aws-us-gov or another of AWS's")
    found = {arn.split(":")[1] for arn in arns if arn.startswith("arn:") and "{" not in arn.split(":")[1]}
    found |= {given} if given else set()
    if len(found) > 1:
        raise UsageError(
            f"the ARNs are of several partitions: {', '.join(sorted(found))}",
            "roles, their principals and their policies are of one partition",
        )
    return found.pop() if found else "aws"


def session_length(text: str) -> timedelta:
    """The maximum session of a role.

    :raises UsageError: if IAM would not take it.
    """
    least, most = ROLE_SESSIONS
    value = parse_duration(text)
    if not least <= value <= most or value.microseconds:
        raise UsageError(f"a maximum session of {text} is not one that a role can have", "it is between 1h and 12h")
    return value


def mfa_age(text: str) -> timedelta:
    """How old an MFA code may be.

    :raises UsageError: if no session of one can be so old, or so young.
    """
    value = parse_duration(text)
    if not timedelta(seconds=1) <= value <= MFA_SESSION or value.microseconds:
        raise UsageError(f"an age of {text} is none for an MFA code", "it is between 1s and 36h, in whole seconds")
    return value


def moment(text: str) -> datetime:
    """A point in time in ISO format; UTC where it names no offset, midnight where it is a date.

    :raises UsageError: if it is none.
    """
    try:
        found = datetime.fromisoformat(text)
        if "T" not in text and ":" not in text:
            found = datetime.combine(date.fromisoformat(text), time())
        # written as UTC, so the first and the last day of the calendar may have no such form
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is not a point in time", "write 2031-05-01, 2031-05-01T08:00Z or 2031-05-01T08:00+02:00"
        ) from None


def check_window(begin: datetime | None, end: datetime | None) -> None:
    """Check that a time window has room.

    :raises UsageError: if it ends before it begins.
    """
    if begin is not None and end is not None and begin >= end:
        raise UsageError(
            f"the time window ends ({end:%Y-%m-%d %H:%M}Z) before it begins ({begin:%Y-%m-%d %H:%M}Z)",
            "exchange --not-before and --not-after",
        )


def checked_network(text: str) -> str:
    """A range of addresses as aws:SourceIp takes it: one address gets its own range.

    :raises UsageError: if it is none, has bits behind its prefix, or can never be, or is always, the caller's address.
    """
    try:
        network = ipaddress.ip_network(text, strict=False)
        address = ipaddress.ip_interface(text).ip
    except ValueError:
        raise UsageError(
            f"{text!r} is not a range of addresses", "write it as 203.0.113.0/24 or 2001:db8::/32"
        ) from None
    if network.network_address != address:
        raise UsageError(f"{text!r} has bits behind its prefix", f"write {network}, or {address} for the one address")
    if network.prefixlen == 0:
        raise UsageError(f"{text!r} is every address, so it restricts nothing", "leave it out")
    if _never_seen(network):
        raise UsageError(
            f"{text!r} is private: AWS never sees a caller from there, and nobody could enter",
            "write the public addresses that your network goes out through",
        )
    return str(network)


def _never_seen(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    private = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    ]
    bits = network.max_prefixlen
    wide = (each for each in map(ipaddress.ip_network, private) if each.version == network.version)
    return any(
        each.prefixlen <= network.prefixlen
        and int(network.network_address) >> (bits - each.prefixlen)
        == int(each.network_address) >> (bits - each.prefixlen)
        for each in wide
    )


def checked_tags(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Tags of a role, from KEY=VALUE.

    :raises UsageError: if IAM would not take them, or one is fanout's own.
    """
    tags: dict[str, tuple[str, str]] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(value):
            raise UsageError(
                f"{text!r} is not a tag",
                "write KEY=VALUE; 1 to 128 and 0 to 256 letters, digits, spaces or any of _.:/=+-@",
            )
        if key.lower().startswith("aws:"):
            raise UsageError(f"the tag {key!r} begins with aws:, which AWS keeps for itself")
        if key.lower() == MANAGED_TAG[0]:
            raise UsageError(f"the tag {key!r} is fanout's own, and on every role that it writes", "leave it out")
        if key.lower() in tags:
            raise UsageError(f"the tag {key!r} was given twice", "IAM ignores the case of keys")
        tags[key.lower()] = (key, value)
    if len(tags) >= MOST_TAGS:
        raise UsageError(f"{len(tags)} tags and fanout's own are more than the {MOST_TAGS} that a role can have")
    return tuple(tags.values())


def check_once(texts: Sequence[str], what: str) -> None:
    """Check that nothing was given twice.

    :raises UsageError: if it was.
    """
    for place, text in enumerate(texts):
        if text in texts[:place]:
            raise UsageError(f"{what} {text} was given twice", "give it once")
