"""What the simulated Parameter Store refuses to keep, in AWS's words, and which parameters a filter lets through."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from fanout.testing.answers import RefusedError
from fanout.testing.calls import Call
from fanout.testing.parameter_shelf import SECURE, Stored, Version

TYPES = ("String", "StringList", SECURE)
TIERS = ("Standard", "Advanced", "Intelligent-Tiering")
STANDARD_BYTES, ADVANCED_BYTES = 4096, 8192

_NAME = re.compile(r"[a-zA-Z0-9_.\-/]{1,2048}", re.ASCII)
_KEY_ID = re.compile(r"[a-zA-Z0-9:/_-]{1,256}", re.ASCII)
_TAG = re.compile(r"[\w\s.:/=+\-@]*")
_NESTED = re.compile(r"\{\{\s*ssm(?:-secure)?:[^{}]*\}\}")
_LONGEST_ARN = 1011
_MOST_LEVELS = 15
_MOST_TAGS = 50


def invalid(member: str, constraint: str) -> RefusedError:
    """The refusal of a member that breaks a constraint of the model."""
    message = f"1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}"
    return RefusedError("ValidationException", message)


def check_name(name: str, arn: str) -> None:
    """Refuse a name that no parameter can have."""
    if not _NAME.fullmatch(name):
        raise RefusedError(
            "ValidationException",
            "Parameter name: can't be empty, and may only use letters, numbers and the symbols .-_ and /.",
        )
    if "/" in name and not name.startswith("/"):
        raise RefusedError("ValidationException", "Parameter name must be a fully qualified name.")
    if name.lstrip("/").lower().startswith(("aws", "ssm")):
        raise RefusedError("ValidationException", 'Parameter name: can\'t be prefixed with "aws" or "ssm".')
    if name.count("/") > _MOST_LEVELS:
        raise RefusedError("HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of 15 levels.")
    if len(arn) > _LONGEST_ARN:
        raise RefusedError("ValidationException", "Parameter name: is too long, with the ARN that precedes it.")


def check_request(call: Call, known: Stored | None) -> None:
    """Refuse what cannot stand in a PutParameter, whatever its value."""
    overwrite = bool(call.params.get("Overwrite"))
    if known is not None and not overwrite:
        raise RefusedError(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        )
    if overwrite and call.params.get("Tags"):
        raise RefusedError(
            "ValidationException",
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove "
            "overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or "
            "RemoveTagsFromResource.",
        )
    tier = call.text("Tier", "Standard")
    if tier not in TIERS:
        raise invalid("tier", f"Member must satisfy enum value set: [{', '.join(TIERS)}]")
    if known is not None and known.last.tier == "Advanced" and call.text("Tier") == "Standard":
        raise RefusedError(
            "ValidationException",
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter "
            "tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as "
            "a standard parameter.",
        )


def check_kind(kind: str, known: Stored | None) -> None:
    """Refuse a type that there is none of, or that is not the parameter's."""
    if not kind:
        raise RefusedError("ValidationException", "A parameter type is required when you create a parameter.")
    if kind not in TYPES:
        raise RefusedError("UnsupportedParameterType", f"The parameter type {kind} isn't supported.")
    if known and known.last.kind != kind:
        raise RefusedError(
            "HierarchyTypeMismatchException",
            "Parameter Store doesn't support changing a parameter type. You must create a new, unique parameter.",
        )


def check_version(version: Version) -> None:
    """Refuse a version whose value, key, pattern or description cannot be kept."""
    _check_value(version.value, version.tier)
    if version.key_id and not _KEY_ID.fullmatch(version.key_id):
        raise invalid("keyId", "Member must satisfy regular expression pattern: ^([a-zA-Z0-9:/_-]+)$")
    if version.key_id and version.kind != SECURE:
        raise RefusedError("ValidationException", "KeyId is required for SecureString type parameter only.")
    if len(version.description) > 1024 or len(version.pattern) > 1024:
        raise invalid("description or allowedPattern", "Member must have length less than or equal to 1024")
    _check_pattern(version.pattern, version.value)


def _check_value(value: str, tier: str) -> None:
    if not value:
        raise invalid("value", "Member must have length greater than or equal to 1")
    most = STANDARD_BYTES if tier == "Standard" else ADVANCED_BYTES
    if len(value.encode()) > most:
        raise RefusedError(
            "ValidationException",
            f"{tier} tier parameters support a maximum parameter value of {most} characters.",
        )
    if _NESTED.search(value):
        raise RefusedError(
            "ValidationException",
            'Parameter value can\'t nest another parameter. Do not use "{{}}" in the value.',
        )


def _check_pattern(pattern: str, value: str) -> None:
    try:
        matches = not pattern or re.search(pattern, value)
    except re.error:
        raise RefusedError(
            "InvalidAllowedPatternException", "The allowed pattern isn't a regular expression."
        ) from None
    if not matches:
        raise RefusedError(
            "ParameterPatternMismatchException",
            f"Parameter value, cannot be validated against allowedPattern: {pattern}",
        )


def checked_tags(told: Sequence[Mapping[str, Any]], there: Mapping[str, str]) -> dict[str, str]:
    """The tags of a request, added to those that there are.

    :raises RefusedError: if they are more than fifty then, or cannot be tags.
    """
    tags = {str(each.get("Key", "")): str(each.get("Value", "")) for each in told}
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
            raise invalid("tags", "Member must satisfy regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$")
        if key.lower().startswith("aws:"):
            raise RefusedError("ValidationException", "Tag keys that begin with aws: are reserved.")
    if len({**there, **tags}) > _MOST_TAGS:
        raise RefusedError("TooManyTagsError", f"A parameter can have {_MOST_TAGS} tags.")
    return {**there, **tags}


def passes(stored: Stored, call: Call) -> bool:
    """Whether all filters of a request let a parameter through."""
    told = [{**each, "Option": "BeginsWith"} for each in call.params.get("Filters") or []]
    return all(_meets(stored, each) for each in (*told, *(call.params.get("ParameterFilters") or [])))


def _meets(stored: Stored, test: Mapping[str, Any]) -> bool:
    key, option = str(test.get("Key")), str(test.get("Option") or "Equals")
    values = [str(each) for each in test.get("Values") or []]
    if len(values) > 50 or (key.startswith("tag:") and not all(values)):
        raise RefusedError("InvalidFilterValue", "The filter value isn't valid. Verify the value and try again.")
    if key == "Path":
        return _below(stored.name, values, deep=option == "Recursive")
    last = stored.last
    attributes = {"Name": stored.name, "Type": last.kind, "KeyId": last.key_id, "Tier": last.tier}
    if key.startswith("tag:"):
        attributes[key] = stored.tags.get(key.removeprefix("tag:"), "")
    if key not in attributes:
        raise RefusedError("InvalidFilterKey", f"The specified key {key} isn't valid or isn't simulated.")
    patterns = {"Equals": "{}", "BeginsWith": "{}*", "Contains": "*{}*"}
    if option not in patterns:
        raise RefusedError("InvalidFilterOption", f"The specified filter option {option} isn't valid.")
    if option == "Equals":
        return attributes[key] in values
    return any(fnmatchcase(attributes[key], patterns[option].format(value)) for value in values)


def _below(name: str, paths: Sequence[str], *, deep: bool) -> bool:
    stems = [path.rstrip("/") + "/" for path in paths]
    return any(name.startswith(stem) and (deep or "/" not in name[len(stem) :]) for stem in stems)
