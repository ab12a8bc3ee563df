"""What a fault on the way into an account means, and what mends it, where AWS's answer says it plainly."""

from __future__ import annotations

from fanout.aws.assume import RoleEntry
from fanout.aws.durations import exceeds
from fanout.model.diagnosis import Cause
from fanout.model.fault import Fault, FaultKind

_K = FaultKind
_LINK_OF_KIND = {
    _K.EXPIRED: "source",
    _K.NOT_PROPAGATED: "source",
    _K.UNREACHABLE: "endpoint",
    _K.TLS: "endpoint",
    _K.TIMEOUT: "endpoint",
    _K.CONNECTION_LOST: "endpoint",
    _K.MALFORMED_RESPONSE: "endpoint",
    _K.REFUSED: "endpoint",
    _K.THROTTLED: "throttled",
    _K.ACCOUNT_UNUSABLE: "account_state",
    _K.WRONG_ACCOUNT: "wrong_account",
    _K.REGION_OFF: "region",
}
_LINK_OF_CODE = {
    # these come from AWS
    "PackedPolicyTooLarge": "session_policy",
    "MalformedPolicyDocument": "session_policy",
    "RegionDisabledException": "sts_region",
    "IncompleteSignature": "source",
    "InvalidSignatureException": "source",
    "MissingAuthenticationToken": "source",
    "MissingAuthenticationTokenException": "source",
    "SignatureDoesNotMatch": "source",
    "RequestTimeTooSkewed": "clock",
    # the access portal of IAM Identity Center
    "ForbiddenException": "permission_set",
    "ResourceNotFoundException": "permission_set",
    # and these are fanout's own
    "NotAssigned": "permission_set",
    "NoPermissionSet": "permission_set",
    "SeveralPermissionSets": "permission_set",
    "ProfileUnusable": "profile",
    "NoMfaCode": "mfa",
    "NoCredentials": "source",
}
_SIDES = {
    "duration": "account",
    "account_state": "organization",
    "permission_set": "organization",
    "region": "account",
    "sts_region": "account",
}
_FIXES = {"session_policy": "look at --session-policy: a managed policy has to be there in every account"}
"""What mends it where the fault has no hint."""

_OF_CLOCK = ("signature expired", "signature not yet current")
"""How STS says in a SignatureDoesNotMatch that the clocks differ."""


def is_named(fault: Fault) -> bool:
    """Whether a fault's code alone says which link is broken, whatever its kind is."""
    return fault.code in _LINK_OF_CODE


def cause_of(fault: Fault, entry: RoleEntry | None) -> Cause:
    """The broken link that a fault names by itself."""
    link = _link(fault, entry)
    return Cause(
        link=link,
        known=f"{fault.code}: {fault.message}",
        fix=fault.hint or _FIXES.get(link, ""),
        side=_SIDES.get(link, "caller"),
    )


def _link(fault: Fault, entry: RoleEntry | None) -> str:
    if exceeds(fault):
        return "duration"
    if fault.code == "SignatureDoesNotMatch" and any(words in fault.message.lower() for words in _OF_CLOCK):
        return "clock"
    if fault.code in _LINK_OF_CODE:
        return _LINK_OF_CODE[fault.code]
    if fault.kind in _LINK_OF_KIND:
        return _LINK_OF_KIND[fault.kind]
    if entry is not None and entry.policy_arn is not None and entry.policy_arn in fault.message:
        return "session_policy"
    text = fault.message.lower()
    if "mfa" in text or "multifactor" in text:
        return "mfa"
    if entry is not None and ("tag" in text or "packed" in text):
        return "session_tags"
    return "request" if entry is not None else "source"


def region_cause(region: str, fault: Fault, *, by_default: bool) -> Cause | None:
    """What is wrong with a region; None where it answered, if only with a denial."""
    if fault.kind in (_K.REGION_OFF, _K.NOT_PROPAGATED):
        known = f"the account has not enabled {region} ({fault.code})"
        if by_default:
            known = f"EC2 in {region} does not know the credentials ({fault.code}), and that region needs no opt-in"
        return Cause(
            link="region",
            known=known,
            fix="enable it in the account, or leave it out with --exclude-regions",
            side="account",
        )
    if _LINK_OF_KIND.get(fault.kind) == "endpoint":
        return Cause(
            link="endpoint",
            known=f"EC2 in {region} does not answer: {fault.message}",
            fix=fault.hint or "look at the network and at proxies, or leave the region out with --exclude-regions",
            side="caller",
        )
    if fault.kind is _K.DENIED_BY_SCP:
        return Cause(
            link="scp",
            known=f"a policy of the organization denies EC2 in {region}: {fault.message}",
            fix="leave the region out with --exclude-regions",
            side="organization",
        )
    return None
