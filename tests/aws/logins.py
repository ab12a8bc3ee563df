"""Logins to IAM Identity Center as the AWS CLI leaves them behind: a section of its configuration, and a cached token."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from fanout.testing.portal import SimLogin

CORP = "[sso-session corp]\nsso_start_url = https://fanout.awsapps.com/start\nsso_region = us-east-1\n"


def stamp(seconds: float) -> str:
    """A time so many seconds from now, as the AWS CLI writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def cached(home: Path, session: str = "corp") -> Path:
    """Where the token of a session is kept."""
    return home / ".aws/sso/cache" / f"{hashlib.sha1(session.encode()).hexdigest()}.json"


def log_in(home: Path, token: str, seconds: float = 7200, **more: Any) -> Path:
    """Leave behind what `aws sso login --sso-session corp` does."""
    path = cached(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"startUrl": "https://fanout.awsapps.com/start", "region": "us-east-1", "accessToken": token}
    path.write_text(json.dumps({**document, "expiresAt": stamp(seconds), **more}))
    return path


def registration(login: SimLogin) -> dict[str, str]:
    """What a token that can be renewed is cached with."""
    return {
        "refreshToken": login.refresh_token,
        "clientId": login.client_id,
        "clientSecret": login.client_secret,
        "registrationExpiresAt": stamp(86400),
    }
