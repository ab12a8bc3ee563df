"""What the person's profile says on endpoints and the like, as variables for a program that knows no profile."""

from __future__ import annotations

import pytest

from fanout.app.inherited import inherited, source_profile
from fanout.model.settings import AccessSettings

CONFIG = {
    "profiles": {
        "hub": {
            "aws_access_key_id": "AKIA",
            "region": "eu-west-1",
            "ca_bundle": "/etc/ca.pem",
            "use_fips_endpoint": "true",
            "endpoint_url": "http://127.0.0.1:1",
            "services": "local",
            "s3": {"max_concurrent_requests": "2"},
        },
        "bare": {},
    },
    "services": {"local": {"s3": {"endpoint_url": "http://127.0.0.1:2"}, "sts": "broken"}},
}


def test_settings_become_variables_and_keys_do_not():
    assert inherited(CONFIG, "hub", {}) == {
        "AWS_CA_BUNDLE": "/etc/ca.pem",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:2",
    }


def test_the_environment_decides_where_it_says_something():
    found = inherited(CONFIG, "hub", {"AWS_CA_BUNDLE": "/other.pem", "AWS_ENDPOINT_URL": "http://127.0.0.1:3"})
    assert found == {"AWS_USE_FIPS_ENDPOINT": "true"}


@pytest.mark.parametrize("profile", ["bare", "absent"])
def test_a_profile_that_says_nothing_gives_nothing(profile: str):
    assert inherited(CONFIG, profile, {}) == {}
    assert inherited({}, profile, {}) == {}


@pytest.mark.parametrize(
    ("profile", "environ", "found"),
    [
        ("hub", {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_PROFILE": "other"}, "hub"),
        (None, {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_PROFILE": "other"}, None),
        (None, {"AWS_PROFILE": "other"}, "other"),
        (None, {"AWS_PROFILE": "other", "AWS_DEFAULT_PROFILE": "first"}, "first"),
        (None, {}, "default"),
    ],
)
def test_the_source_is_the_one_that_botocore_takes(profile: str | None, environ: dict[str, str], found: str | None):
    assert source_profile(AccessSettings(profile=profile), environ) == found
