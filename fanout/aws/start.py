"""Where every way in begins: the source credentials, the MFA session that they lead to, and the role of a profile."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from aiobotocore.session import AioSession
from botocore.exceptions import UnknownRegionError

from fanout.aws.credential_cache import CredentialCache
from fanout.aws.faults import CallFailed
from fanout.aws.hub import HubLender, identify, open_start, profiles_of
from fanout.aws.profiles import ProfileWay, way_of
from fanout.aws.sso import SsoPortal, open_portal
from fanout.aws.ways import Link, Ways
from fanout.model.errors import AccessError, UsageError
from fanout.model.settings import AccessSettings, Caller


def profile_way(session: AioSession, access: AccessSettings) -> ProfileWay | None:
    """How the profile of the source credentials gets in, where it asks for MFA: botocore would spend a code on each role.

    :raises UsageError: if its chain of profiles is broken.
    """
    name = access.profile or session.get_config_variable("profile") or "default"
    if access.profile is None and os.environ.get("AWS_ACCESS_KEY_ID"):
        return None  # as with the AWS CLI, keys in the environment win over a profile in the environment
    way = way_of(profiles_of(session), name)
    return way if way is not None and way.mfa_serial else None


async def open_ways(
    session: AioSession, region: str, *, needs_source: bool = True, only_profiles: bool = False, **shared: Any
) -> Ways:
    """Find the source credentials, whose they are, and begin the ways in; `shared` are fields of Ways.

    `region` is where STS is asked first. Through IAM Identity Center accounts are entered without source credentials:
    they are asked for where the selection `needs_source`, to list the organization. With `only_profiles` each account has
    credentials of its own, and there need be no others.

    :raises AccessError: if there are no credentials, they do not work, or MFA is refused.
    :raises UsageError: if the profile, an endpoint or the MFA options are wrong.
    """
    access: AccessSettings = shared["access"]
    if access.sso is None:
        try:
            return await _from_source(session, region, **shared)
        except AccessError as error:
            if not only_profiles or error.link != "source":
                raise
            return _from_profiles(session, region, **shared)
    names = ("clients", "provider", "once", "patient", "call_timeout")
    portal = await open_portal(session, access, **{name: shared[name] for name in names})
    if not needs_source:
        return _from_login(session, portal, **shared)
    try:
        return replace(await _from_source(session, region, **shared), portal=portal)
    except AccessError as error:
        what = f"{error.message}; --sso enters accounts, but it lists no organization"
        hint = f"the term sso selects the accounts of the login and needs no other credentials; or: {error.hint}"
        raise AccessError(what, hint) from None


def _from_login(session: AioSession, portal: SsoPortal, **shared: Any) -> Ways:
    """The ways in of a login alone; source credentials are looked for if something asks for them after all."""
    hub = HubLender(session, on_secrets=shared["provider"].on_secrets)
    try:
        partition = str(session.get_partition_for_region(portal.region))
    except UnknownRegionError:
        raise UsageError(f"the sso_region {portal.region!r} of {portal.identity} does not exist") from None
    shared["clients"].adopt(session)
    source = Link(kind="source", identity=portal.identity, account_id="", lender=hub, by_client=True)
    caller = Caller(account_id="", arn=portal.identity, partition=partition)
    profiles = profiles_of(session)
    return Ways(
        hub=hub, caller=caller, partition=partition, before=(source,), profiles=profiles, portal=portal, **shared
    )


def _from_profiles(session: AioSession, region: str, **shared: Any) -> Ways:
    """The ways in of named profiles alone, where the source credentials are of no use."""
    hub = HubLender(session, on_secrets=shared["provider"].on_secrets)
    who = "named profiles"
    partition = str(session.get_partition_for_region(region))
    source = Link(kind="source", identity=who, account_id="", lender=hub, by_client=True)
    caller = Caller(account_id="", arn=who, partition=partition)
    profiles = profiles_of(session)
    return Ways(hub=hub, caller=caller, partition=partition, before=(source,), profiles=profiles, **shared)


async def _from_source(session: AioSession, region: str, **shared: Any) -> Ways:
    """The ways in that begin with the source credentials."""
    access: AccessSettings = shared["access"]
    way = profile_way(session, access)
    serial = _serial(session, access, way)
    cache: CredentialCache | None = shared.get("cache")
    hub = HubLender(
        open_start(way.start) if way else session,
        on_secrets=shared["provider"].on_secrets,
        cache=cache.cli if cache is not None else None,
    )
    caller = await identify(shared["clients"], hub, region, shared["patient"], shared["call_timeout"])
    ways = Ways(hub=hub, caller=caller, partition=caller.partition, before=(), profiles=profiles_of(session), **shared)
    try:
        links = await ways.started(hub, caller, serial)
        if way is not None:
            links = ways.along(links, way.hops, {})
        lease = await links[-1].lender.lease()
    except CallFailed as error:
        raise AccessError(error.fault.message, error.fault.hint, link="mfa" if serial else "source") from None
    if way is not None:
        caller = Caller(account_id=lease.account_id, arn=lease.identity, partition=caller.partition)
    return replace(ways, before=links, caller=caller)


def _serial(session: AioSession, access: AccessSettings, way: ProfileWay | None) -> str | None:
    """The MFA device to ask: the one that was named, the profile's, or none.

    :raises UsageError: if a code was given, and no device is known.
    """
    if access.mfa_serial is not None:
        return access.mfa_serial
    if way is not None:
        return way.mfa_serial
    if access.mfa_code is None:
        return None
    name = access.profile or session.get_config_variable("profile") or "default"
    profiles = profiles_of(session)
    serial = profiles.get(name, {}).get("mfa_serial")
    if serial is None:
        if any(keys.get("mfa_serial") for keys in profiles.values()):
            return None  # the code is for the profile of an account
        raise UsageError(
            "--mfa-code was given, and no MFA device is known",
            f"add --mfa-serial ARN, or mfa_serial to the profile {name!r} in the AWS config file",
        )
    return str(serial)
