"""What a program that fanout starts has of the person's AWS configuration, beside credentials: as environment variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fanout.model.settings import AccessSettings

_VARIABLES = {
    "ca_bundle": "AWS_CA_BUNDLE",
    "use_fips_endpoint": "AWS_USE_FIPS_ENDPOINT",
    "use_dualstack_endpoint": "AWS_USE_DUALSTACK_ENDPOINT",
    "sts_regional_endpoints": "AWS_STS_REGIONAL_ENDPOINTS",
    "ignore_configured_endpoint_urls": "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "retry_mode": "AWS_RETRY_MODE",
    "max_attempts": "AWS_MAX_ATTEMPTS",
    "sdk_ua_app_id": "AWS_SDK_UA_APP_ID",
}
"""Keys of a profile that say how AWS is reached, and the variables that mean the same."""

_ENDPOINT = "AWS_ENDPOINT_URL"


def source_profile(access: AccessSettings, environ: Mapping[str, str]) -> str | None:
    """The profile that the source credentials come from; None where keys in the environment win over any profile."""
    if access.profile is not None:
        return access.profile
    if environ.get("AWS_ACCESS_KEY_ID"):
        return None
    return named_profile(access, environ)


def named_profile(access: AccessSettings, environ: Mapping[str, str]) -> str:
    """The profile whose settings count."""
    return access.profile or environ.get("AWS_DEFAULT_PROFILE") or environ.get("AWS_PROFILE") or "default"


def inherited(config: Mapping[str, Any], profile: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that stand for a profile's settings, where the environment does not decide them already.

    `config` is the parsed AWS configuration: `profiles` and `services`, each by name.
    """
    keys = config.get("profiles", {}).get(profile, {})
    found = {variable: keys[key] for key, variable in _VARIABLES.items() if key in keys}
    if _ENDPOINT not in environ:  # which wins over all endpoints in files
        found |= dict(_endpoints(config, keys))
    return {name: str(value) for name, value in found.items() if isinstance(value, str) and name not in environ}


def _endpoints(config: Mapping[str, Any], keys: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if "endpoint_url" in keys:
        yield _ENDPOINT, keys["endpoint_url"]
    for service, settings in config.get("services", {}).get(keys.get("services"), {}).items():
        if isinstance(settings, Mapping) and "endpoint_url" in settings:
            yield f"{_ENDPOINT}_{service.upper()}", settings["endpoint_url"]
