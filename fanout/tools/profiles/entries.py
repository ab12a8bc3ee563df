"""What stands in the profiles: the role of each account, where its way begins, and temporary keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta, timezone

from fanout.app.entering import Keys
from fanout.app.profiling import Chosen, Way
from fanout.model.checks import role_account
from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean
from fanout.model.settings import AccessSettings
from fanout.tools.profiles.config import header_of
from fanout.tools.profiles.names import clean

# Each place of source credentials that a profile can begin with, by the SDK's name for it (botocore.credentials).
_SOURCES = {"env": "Environment", "iam-role": "Ec2InstanceMetadata", "container-role": "EcsContainer"}
_LONGEST_CHAINED = timedelta(hours=1)
_PREFACE = "# Written by `fanout profiles write`, and replaced whole by the next one\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One profile: its name, its keys in order, and the account that it leads to.

    `role_arn` and `source` are where temporary keys come from, which their own keys do not say.
    """

    name: str
    keys: Mapping[str, str] = field(repr=False)
    account_id: str
    account_name: str = ""
    role_arn: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where the ways of profiles begin: one key with its value, and the MFA device of the first role."""

    key: str
    value: str
    mfa_serial: str | None = None


def check_carried(access: AccessSettings) -> None:
    """Check that profiles can carry what was asked for.

    :raises UsageError: if the AWS CLI has no key for it, or AWS would never let the profiles in.
    """
    given = {
        "--session-policy": access.session_policy is not None,
        "--session-tag": bool(access.session_tags),
        "--source-identity": access.source_identity is not None,
    }
    for option, is_given in given.items():
        if is_given:
            raise UsageError(
                f"{option} cannot be written into a profile: the AWS CLI has no key for it",
                "leave it away, or write temporary keys with --static",
            )
    if access.role_chain and access.duration and access.duration > _LONGEST_CHAINED:
        raise UsageError(
            "--duration is longer than the hour that AWS gives a role which a role assumes", "ask for --duration 1h"
        )


def start_of(chosen: Chosen, access: AccessSettings, asked: str | None, existing: Iterable[str]) -> Start:
    """Where the profiles begin: --source-profile, --profile, where the source credentials are, or their profile.

    :raises UsageError: if that profile does not exist outside of the block, or there is no way to name the place.
    """
    if asked is None and _in_place(chosen, access):
        return Start(key="credential_source", value=_SOURCES[chosen.method], mfa_serial=access.mfa_serial)
    name = asked or access.profile or chosen.profile
    check_exists(name, existing)
    return Start(key="source_profile", value=name, mfa_serial=access.mfa_serial)


def source_of(chosen: Chosen, access: AccessSettings) -> str:
    """Where the source credentials come from: a portal's session, a place that has no profile, or a profile."""
    if access.sso is not None:
        return access.sso.partition(":")[0]
    return _SOURCES[chosen.method] if _in_place(chosen, access) else access.profile or chosen.profile


def _in_place(chosen: Chosen, access: AccessSettings) -> bool:
    """Whether the source credentials come from a place that needs no profile."""
    return access.profile is None and chosen.method in _SOURCES


def check_exists(name: str, existing: Iterable[str]) -> None:
    """Check that a profile to begin with is there.

    :raises UsageError: if it is not among the `existing`, with the nearest names.
    """
    known = set(existing)
    if name in known:
        return
    hint = did_you_mean(name, known) or f"name one with --source-profile; there are {', '.join(sorted(known))}"
    raise UsageError(
        f"the profile {name!r}, which the others should begin with, does not exist outside of the block",
        hint if known else "write one into the AWS config file, or export AWS_* variables",
    )


def hop_profiles(chosen: Chosen, access: AccessSettings, start: Start, block: str) -> tuple[list[Profile], Start]:
    """A profile for each role of the chain, and where the accounts' own profiles begin then."""
    found: list[Profile] = []
    for number, hop in enumerate(chosen.hops, start=1):
        name = f"{block}-hop-{number}-{clean(hop.role_arn.rpartition('/')[2])}"
        keys = _role_keys(hop.role_arn, start, hop.external_id, access, None)
        found.append(Profile(name=name, keys=keys, account_id=role_account(hop.role_arn) or ""))
        start = Start(key="source_profile", value=name)
    return found, start


def role_profile(name: str, way: Way, start: Start, access: AccessSettings, region: str | None) -> Profile:
    """The profile of one account that is entered by AssumeRole."""
    keys = _role_keys(way.role_arn, start, way.external_id, access, access.duration) | _region(region)
    return Profile(name=name, keys=keys, account_id=way.account.id, account_name=way.account.name)


def portal_profile(name: str, way: Way, session: str, region: str | None) -> Profile:
    """The profile of one account that is entered through IAM Identity Center.

    :raises UsageError: if no permission set was named.
    """
    if not way.role:
        raise UsageError(
            f"no permission set was named for account {way.account.id}, and a profile needs one",
            f"write --sso {session}:PERMISSION_SET",
        )
    keys = {"sso_session": session, "sso_account_id": way.account.id, "sso_role_name": way.role} | _region(region)
    return Profile(name=name, keys=keys, account_id=way.account.id, account_name=way.account.name)


def key_profile(name: str, way: Way, keys: Keys | None, region: str | None, source: str = "") -> Profile:
    """The temporary keys of one account, got by `source`; without `keys`, what a dry run shows in their place."""
    unknown = Keys(access_key="***", secret_key="***", token="***")  # noqa: S106  # nobody's
    held = keys or unknown
    options = {"aws_access_key_id": held.access_key, "aws_secret_access_key": held.secret_key}
    options |= {"aws_session_token": held.token} if held.token else {}
    options |= {"x_security_token_expires": expires_text(held)} if held.expiration else {}
    return Profile(
        name=name,
        keys=options | _region(region),
        account_id=way.account.id,
        account_name=way.account.name,
        role_arn=way.role_arn,
        source=source,
    )


def expires_text(keys: Keys) -> str:
    """When keys end, in ISO 8601 and UTC; empty where they do not."""
    if keys.expiration is None:
        return ""
    return keys.expiration.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def rendered(profiles: Sequence[Profile], *, bare: bool) -> str:
    """The lines of a block; `bare` for the credentials file."""
    return _PREFACE + "\n".join(_section(each, bare=bare) for each in profiles)


def row_of(profile: Profile) -> dict[str, str | None]:
    """A profile as a row to print, without anything secret."""
    keys = profile.keys
    return {
        "profile": profile.name,
        "account_id": profile.account_id,
        "account_name": profile.account_name,
        "role_arn": keys.get("role_arn") or profile.role_arn or None,
        "source": _source(profile),
        "region": keys.get("region"),
        "expires": keys.get("x_security_token_expires"),
    }


def _source(profile: Profile) -> str | None:
    named = (profile.keys.get(key) for key in ("source_profile", "credential_source", "sso_session"))
    return next(filter(None, named), profile.source or None)


def _role_keys(
    role_arn: str, start: Start, external_id: str | None, access: AccessSettings, duration: timedelta | None
) -> dict[str, str]:
    keys = {
        "role_arn": role_arn,
        start.key: start.value,
        "external_id": external_id,
        "mfa_serial": start.mfa_serial,
        "role_session_name": access.session_name,
        "duration_seconds": str(int(duration.total_seconds())) if duration else None,
    }
    return {key: value for key, value in keys.items() if value is not None}


def _region(region: str | None) -> dict[str, str]:
    return {"region": region} if region else {}


def _section(profile: Profile, *, bare: bool) -> str:
    lines = [f"[{header_of(profile.name, bare=bare)}]", *(f"{key} = {value}" for key, value in profile.keys.items())]
    return "".join(f"{line}\n" for line in lines)
