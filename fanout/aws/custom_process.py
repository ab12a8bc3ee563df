"""What goes wrong with the `credential_process` of a profile, in words that name the profile."""

from __future__ import annotations

from typing import Any

from aiobotocore.session import AioSession
from botocore import exceptions as sdk

from fanout.model.fault import Fault, FaultKind, Stage

_PROVIDER = "custom-process"
_LARGEST = 600
"""Characters of what a process says on stderr: enough for a reason, where it may be a whole traceback."""


def process_fault(error: Exception, session: AioSession, origin: str) -> Fault | None:
    """Why a profile's process gave no credentials; None where the error is about something else.

    What it printed to stdout is never repeated, as there may be secrets in it; stderr is for people.
    """
    profile = _profile_of(session)
    said = _said(error) if profile is not None else None
    if said is None:
        return None
    return Fault(
        kind=FaultKind.FAILED,
        stage=Stage.ACCESS,
        code=type(error).__name__,
        message=f"{origin} cannot be had: the credential_process of profile {profile} {said}",
        hint=f"run the command by itself to see why, as credential_process of profile {profile} in the AWS config file "
        'has it: it has to end with exit code 0 and print JSON with "Version": 1, AccessKeyId and SecretAccessKey',
    )


def _said(error: Exception) -> str | None:
    if isinstance(error, sdk.CredentialRetrievalError):
        if error.kwargs.get("provider") != _PROVIDER:
            return None
        text = str(error.kwargs.get("error_msg", "")).strip()
        return f"failed: {_shortened(text)}" if text else "failed, and said nothing on stderr"
    if isinstance(error, OSError):
        return f"cannot be run: {error}"
    if isinstance(error, (ValueError, AttributeError, TypeError)):
        return f"printed something else than the JSON of credentials ({type(error).__name__})"
    return None


def _shortened(text: str) -> str:
    """The end of a long text: the reason stands last in what programs say."""
    return text if len(text) <= _LARGEST else f"…{text[-_LARGEST:]}"


def _profile_of(session: AioSession) -> str | None:
    """The profile whose process the chain runs: the chosen one, or the one that it takes its credentials from."""
    profiles: dict[str, dict[str, Any]] = session.full_config.get("profiles", {})
    name, seen = session.profile or "default", set[str]()
    while name not in seen:
        seen.add(name)
        keys = profiles.get(name, {})
        if keys.get("credential_process"):
            return name
        name = str(keys.get("source_profile") or name)
    return None
