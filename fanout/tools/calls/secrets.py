"""Which members of requests and answers are secret: those that AWS's models mark, and a reviewed table of those they forget."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fanout.tools.calls.filling import inner

HIDDEN = "***"
"""What stands in a secret's place."""

Hide = Callable[[Any], str]
"""Gives what stands in a secret's place."""

_NAMED = re.compile(
    r"secretaccesskey|secretkey|clientsecret|secrettoken|secretstring|secretbinary|(sync)?sessiontoken|securitytoken"
    r"|auth(entication|orization)?token|accesstoken|refreshtoken|idtoken|bearertoken|connectiontoken|participanttoken"
    r"|hectoken|grafanatoken|billingtoken|\w*password(data)?|privatekey(base64)?|keymaterial|plaintext|connectionstring"
    r"|userdata(override)?"
)
"""Names of members that hold a secret, in whichever service: by what AWS means with them, and by what people put there."""

_WHOLE = re.compile(r"userdata")
"""Names of members that are secret with all that is in them (EC2's UserData is an object with a Value)."""

FORGOTTEN: Mapping[str, frozenset[tuple[str, str]]] = {
    # environments of programs: people put secrets there, as into Lambda's, which its model marks
    "ecs": frozenset({("KeyValuePair", "value")}),
    "batch": frozenset({("KeyValuePair", "value"), ("EksContainerEnvironmentVariable", "value")}),
    "codebuild": frozenset({("EnvironmentVariable", "value"), ("ExportedEnvironmentVariable", "value")}),
    "elasticbeanstalk": frozenset({("ConfigurationOptionSetting", "Value")}),
    "lightsail": frozenset({("Container", "environment")}),
    "synthetics": frozenset({("CanaryRunConfigInput", "EnvironmentVariables")}),
    "amplify": frozenset(
        (shape, "environmentVariables")
        for shape in (
            *("App", "AutoBranchCreationConfig", "Branch"),
            *("CreateAppRequest", "CreateBranchRequest", "UpdateAppRequest", "UpdateBranchRequest"),
        )
    ),
    # keys and links that let whoever has them in
    "apigateway": frozenset({("ApiKey", "value"), ("CreateApiKeyRequest", "value"), ("UsagePlanKey", "value")}),
    "appsync": frozenset({("ApiKey", "id")}),
    "appstream": frozenset(
        (f"Create{what}StreamingURLResult", "StreamingURL") for what in ("", "AppBlockBuilder", "ImageBuilder")
    ),
    "athena": frozenset({("CreatePresignedNotebookUrlResponse", "NotebookUrl")}),
    "ecr": frozenset({("GetDownloadUrlForLayerResponse", "downloadUrl")}),
    "emr": frozenset({("GetClusterSessionCredentialsOutput", "Credentials")}),
    "lambda": frozenset({("FunctionCodeLocation", "Location"), ("LayerVersionContentOutput", "Location")}),
    "sagemaker": frozenset(
        {
            ("CreatePresignedDomainUrlResponse", "AuthorizedUrl"),
            ("CreatePresignedMlflowTrackingServerUrlResponse", "AuthorizedUrl"),
            ("CreatePresignedNotebookInstanceUrlOutput", "AuthorizedUrl"),
        }
    ),
    "ssm": frozenset({("StartSessionResponse", "TokenValue"), ("ResumeSessionResponse", "TokenValue")}),
}
"""By service: shapes and those of their members that are secret, though neither the model nor the name says so."""


def hidden(value: Any, shape: Any, service: str, hide: Hide) -> Any:
    """A value of a shape with its secrets hidden; of a structure that is secret as a whole the names of its members stay.

    What is of no known shape is left as it is.
    """
    kind = getattr(shape, "type_name", None)
    if kind is not None and _marked(shape):
        whole = not isinstance(value, Mapping) or kind != "structure"
        return hide(value) if whole else {name: hide(each) for name, each in value.items()}
    if kind == "structure" and isinstance(value, Mapping):
        return {name: _member(name, each, shape, service, hide) for name, each in value.items()}
    if kind == "map" and isinstance(value, Mapping):
        return {
            name: hide(each) if _is_named(name, shape.value) else hidden(each, shape.value, service, hide)
            for name, each in value.items()
        }
    if kind == "list" and isinstance(value, list):
        return [hidden(each, shape.member, service, hide) for each in value]
    return value


def secret_parts(value: Any, shape: Any, service: str) -> list[Any]:
    """The secret parts of a value, as they are."""
    found: list[Any] = []

    def note(part: Any) -> str:
        found.append(part)
        return HIDDEN

    hidden(value, shape, service, note)
    return found


def secret_paths(value: Any, shape: Any, service: str) -> Iterator[str]:
    """Where in a value the secrets are, such as Filters[0].Values."""
    yield from _paths(value, hidden(value, shape, service, lambda _: HIDDEN), "")


def _paths(value: Any, shown: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping) and isinstance(shown, Mapping):
        for name, each in value.items():
            yield from _paths(each, shown[name], f"{path}.{name}" if path else name)
    elif isinstance(value, list) and isinstance(shown, list):
        for index, each in enumerate(value):
            yield from _paths(each, shown[index], f"{path}[{index}]")
    elif shown == HIDDEN:
        yield path


def _member(name: str, value: Any, shape: Any, service: str, hide: Hide) -> Any:
    of = inner(shape, name)
    if (shape.name, name) in FORGOTTEN.get(service, ()) or _is_named(name, of):
        return hide(value)
    return hidden(value, of, service, hide)


def _marked(shape: Any) -> bool:
    return bool(shape.metadata.get("sensitive"))


def _is_named(name: str, shape: Any) -> bool:
    """Whether a member's name says that it is secret; words that AWS chose itself (enumerations) are not."""
    folded = re.sub(r"[-_]", "", name.lower())
    if _WHOLE.fullmatch(folded) and shape is not None:
        return True
    kind = getattr(shape, "type_name", None)
    return kind in ("string", "blob") and not shape.metadata.get("enum") and _NAMED.fullmatch(folded) is not None
