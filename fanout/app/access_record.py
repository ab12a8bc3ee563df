"""How a run gets in, as its ledger or a plan may hold it: everything but secrets, which are told apart by fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from fanout.model.errors import UsageError
from fanout.model.role import Hop, SessionPolicy, SessionTag
from fanout.model.settings import AccessSettings

Fingerprint = Callable[[str], str]

_PLAIN = (
    "profile",
    "role",
    "session_name",
    "list_role",
    "scoped",
    "source_identity",
    "shorten",
    "mfa_serial",
    "sso",
    "cache",
    "self_direct",
    "assume_rate",
)


def recorded(access: AccessSettings, fingerprint: Fingerprint) -> dict[str, Any]:
    """The settings as plain values; of external ids only the fingerprints."""
    policy = access.session_policy
    return {
        **{name: getattr(access, name) for name in _PLAIN},
        "duration": None if access.duration is None else access.duration.total_seconds(),
        "external_id": _hidden(access.external_id, fingerprint),
        "role_chain": [
            {"arn": hop.arn, "external_id": _hidden(hop.external_id, fingerprint)} for hop in access.role_chain
        ],
        "session_tags": [str(tag) for tag in access.session_tags],
        "session_policy": None
        if policy is None
        else {"arn": policy.arn, "document": policy.document, "origin": policy.origin},
        "allow_endpoints": list(access.allow_endpoints),
    }


def restored(record: Mapping[str, Any], given: AccessSettings, fingerprint: Fingerprint) -> AccessSettings:
    """The settings of a record, with the secrets and the source credentials that were given now.

    :raises UsageError: if something else was given than the record says, or an external id is missing.
    """
    if not record:
        return given
    _check_role(record, given)
    duration = record.get("duration")
    policy = record.get("session_policy")
    plain = {name: record[name] for name in _PLAIN if name in record}
    access = AccessSettings(
        **plain
        | {
            "duration": None if duration is None else timedelta(seconds=duration),
            "external_id": _same(given.external_id, record.get("external_id"), "--external-id", fingerprint),
            "role_chain": _hops(record, given, fingerprint),
            "session_tags": tuple(SessionTag.parse(text) for text in record.get("session_tags", ())),
            "session_policy": None if policy is None else SessionPolicy(**policy),
            "allow_endpoints": (*record.get("allow_endpoints", ()), *given.allow_endpoints),
            "mfa_code": given.mfa_code,
        }
    )
    # Who comes with which credentials may differ: one plans or begins, another carries out.
    return replace(
        access,
        profile=given.profile or access.profile,
        mfa_serial=given.mfa_serial or access.mfa_serial,
        assume_rate=min(access.assume_rate, given.assume_rate),
    )


def _check_role(record: Mapping[str, Any], given: AccessSettings) -> None:
    if given.role is not None and given.role != record.get("role"):
        was = record.get("role") or "the default role"
        raise UsageError(
            f"the role {given.role} was given, and this was planned with {was}",
            "leave --role (and FANOUT_ROLE) away, or make a new plan",
        )


def _hops(record: Mapping[str, Any], given: AccessSettings, fingerprint: Fingerprint) -> tuple[Hop, ...]:
    wanted = record.get("role_chain", ())
    if given.role_chain and [hop.arn for hop in given.role_chain] != [hop["arn"] for hop in wanted]:
        raise UsageError(
            "--role-chain names other roles than this was planned with",
            f"it was {' '.join(hop['arn'] for hop in wanted) or 'without a chain'}",
        )
    offered = {hop.arn: hop.external_id for hop in given.role_chain}
    return tuple(
        Hop(
            arn=hop["arn"],
            external_id=_same(offered.get(hop["arn"]), hop["external_id"], f"--role-chain {hop['arn']}", fingerprint),
        )
        for hop in wanted
    )


def _hidden(secret: str | None, fingerprint: Fingerprint) -> str | None:
    return None if secret is None else fingerprint(secret)


def _same(given: str | None, wanted: str | None, option: str, fingerprint: Fingerprint) -> str | None:
    """The external id that was given, if it is the one that is wanted."""
    if wanted is None:
        if given is not None:
            raise UsageError(f"{option}: this was planned without an external id", "leave it away, or make a new plan")
        return None
    if given is None:
        raise UsageError(
            f"{option}: an external id was given when this was planned, and it is kept nowhere",
            "give the same one again",
        )
    if fingerprint(given) != wanted:
        raise UsageError(
            f"{option}: it is not the external id that was given when this was planned",
            "give the same one again; a plan of another machine is carried out there, or made anew here",
        )
    return given
