"""The login to IAM Identity Center: the token that `aws sso login` leaves in the AWS CLI's cache, and its renewal."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import anyio
from aiobotocore.session import AioSession
from anyio import to_thread

from fanout.aws.credentials import TRANSIENT
from fanout.aws.faults import CallFailed, classify, failed
from fanout.aws.lease import OnSecrets, keep_no_secrets
from fanout.model.duration import format_duration
from fanout.model.errors import UsageError
from fanout.model.fault import FaultKind, Stage
from fanout.model.nearest import did_you_mean

REFRESH_WINDOW = 900.0
"""Seconds before its end in which a token is renewed, as the AWS CLI does it (botocore/tokens.py)."""

_TRY_AGAIN = 60.0
"""Seconds until a token that could not be renewed is looked at once more (botocore/tokens.py)."""

_REFRESH_KEYS = ("refreshToken", "clientId", "clientSecret", "registrationExpiresAt")


@dataclass(frozen=True, slots=True, kw_only=True)
class SsoSession:
    """An `[sso-session NAME]` of the AWS configuration. `region` is where Identity Center is."""

    name: str
    start_url: str
    region: str

    @classmethod
    def find(cls, session: AioSession, name: str) -> SsoSession:
        """The section of that name.

        :raises UsageError: if there is none, or it lacks what a login needs.
        """
        known: Mapping[str, Any] = session.full_config.get("sso_sessions", {})
        if name not in known:
            there = f"there are: {', '.join(sorted(known))}" if known else "`aws configure sso-session` writes one"
            what = f"the AWS configuration has no [sso-session {name}]"
            raise UsageError(what, did_you_mean(name, known) or there)
        keys = known[name]
        missing = [key for key in ("sso_start_url", "sso_region") if not keys.get(key)]
        if missing:
            raise UsageError(
                f"[sso-session {name}] of the AWS configuration lacks {' and '.join(missing)}",
                "`aws configure sso-session` asks for both",
            )
        return cls(name=name, start_url=str(keys["sso_start_url"]), region=str(keys["sso_region"]))

    @property
    def command(self) -> str:
        """What a person types to log in."""
        return f"aws sso login --sso-session {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token of the portal; `document` is the whole file that it came from."""

    access: str = field(repr=False)
    expires: datetime
    document: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Token:
        """Read what the AWS CLI keeps.

        :raises ValueError: if it is nothing like that.
        """
        access = document.get("accessToken")
        if not isinstance(access, str) or not access:
            raise ValueError("no accessToken")
        return cls(access=access, expires=_moment(document.get("expiresAt")), document=document)

    def left(self, now: float) -> float:
        """Seconds until its end; `now` is seconds since the epoch."""
        return self.expires.timestamp() - now

    def can_be_renewed(self, now: float) -> bool:
        """Whether there is a refresh token, for a registration that still holds."""
        if not all(isinstance(self.document.get(key), str) and self.document[key] for key in _REFRESH_KEYS):
            return False
        try:
            return _moment(self.document["registrationExpiresAt"]).timestamp() > now
        except ValueError:
            return False

    def renewed(self, answer: Mapping[str, Any], now: float) -> Token:
        """The token that an answer of CreateToken gives, in the place of this one."""
        expires = datetime.fromtimestamp(now, timezone.utc) + timedelta(seconds=float(answer["expiresIn"]))
        document = {
            **self.document,
            "accessToken": answer["accessToken"],
            "expiresAt": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if answer.get("refreshToken"):
            document["refreshToken"] = answer["refreshToken"]
        return Token.of(document)


def _moment(text: object) -> datetime:
    """A time as the AWS CLI writes it (…Z; older versions …UTC)."""
    if not isinstance(text, str):
        raise ValueError("no time")  # noqa: TRY004  # one kind of error for whatever is wrong in a file
    moment = datetime.fromisoformat(text.removesuffix("UTC"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


class UnreadableTokenError(Exception):
    """The file of a token is there, and holds none; the message says what is wrong, and nothing of what it holds."""


def _token_in(content: str) -> Token:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise UnreadableTokenError("it is not JSON, or cut off") from None
    try:
        return Token.of(document)
    except (ValueError, AttributeError):
        raise UnreadableTokenError("it lacks an accessToken, or the time expiresAt") from None


@dataclass(frozen=True, slots=True)
class TokenFile:
    """Where the AWS CLI keeps the token of a session."""

    path: Path

    @classmethod
    def of(cls, name: str) -> TokenFile:
        """The file of `aws sso login --sso-session NAME` (SSOTokenLoader in botocore/utils.py)."""
        digest = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
        return cls(Path("~/.aws/sso/cache").expanduser() / f"{digest}.json")

    def load(self) -> Token | None:
        """The token; None where there is no file.

        :raises UnreadableTokenError: if the file holds nothing that could be one.
        """
        try:
            content = self.path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UnreadableTokenError(error.strerror or type(error).__name__) from None
        except ValueError:
            raise UnreadableTokenError("it is no text") from None
        if not content.strip():
            raise UnreadableTokenError("it is empty")
        return _token_in(content)

    def store(self, token: Token) -> None:
        """Keep a token for the AWS CLI and others, whole or not at all.

        :raises OSError: if it cannot be written.
        """
        path = self.path.resolve()
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")  # has mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(token.document, file)
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise


Refresh = Callable[[Token], Awaitable[Mapping[str, Any]]]
"""Asks Identity Center for a new token: CreateToken with the refresh token."""


class Login:
    """The login of one sso-session: the token that it has now, read anew and renewed when it ends soon.

    Whoever logs in again while a run goes on is noticed: the file is read again before the token ends.
    """

    def __init__(
        self,
        sso: SsoSession,
        file: TokenFile,
        refresh: Refresh,
        *,
        on_secrets: OnSecrets = keep_no_secrets,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.sso = sso
        self._file = file
        self._refresh = refresh
        self._on_secrets = on_secrets
        self._now = now
        self._lock = anyio.Lock()
        self._token: Token | None = None
        self._next_try = 0.0
        self._over: CallFailed | None = None
        self._unreadable = ""
        self._not_renewed = ""
        self.not_kept = ""

    def __repr__(self) -> str:
        return f"<the login of sso-session {self.sso.name}>"

    @property
    def left(self) -> float:
        """Seconds that the token has left; 0 before it was asked for."""
        return self._token.left(self._now()) if self._token else 0.0

    async def token(self, rejected: str = "") -> str:
        """The access token; another one than `rejected`, which the portal refused.

        :raises CallFailed: with a fault of stage "access" that ends a run, if there is none (any more).
        """
        if not self._serves(self._token, rejected):
            async with self._lock:
                if not self._serves(self._token, rejected):
                    self._token = await self._another(rejected)
        if self._token is None:
            raise self._ended(None, rejected)
        return self._token.access

    def _serves(self, token: Token | None, rejected: str) -> bool:
        if token is None or token.access == rejected:
            return False
        left = token.left(self._now())
        return left > REFRESH_WINDOW or (left > 0 and self._now() < self._next_try)

    async def _another(self, rejected: str) -> Token:
        if self._over is not None and self._now() < self._next_try:
            raise CallFailed(self._over.fault)
        token = await self._found(rejected)
        if token is not None and not self._is_good(token, rejected) and token.can_be_renewed(self._now()):
            token = await self._renewed(token, rejected)
        self._next_try = self._now() + _TRY_AGAIN
        if token is None or token.access == rejected or token.left(self._now()) <= 0:
            self._over = self._ended(token, rejected)
            raise CallFailed(self._over.fault)
        self._over = None
        return token

    def _is_good(self, token: Token, rejected: str) -> bool:
        return token.access != rejected and token.left(self._now()) > REFRESH_WINDOW

    async def _found(self, rejected: str) -> Token | None:
        """The better one of the token in the file and the one at hand."""
        read = await to_thread.run_sync(self._read)
        if read is not None:
            self._on_secrets(read.access, *_secrets(read.document))
        known = [token for token in (read, self._token) if token is not None]
        return max(known, key=lambda token: (token.access != rejected, token.expires), default=None)

    def _read(self) -> Token | None:
        self._unreadable = ""
        try:
            return self._file.load()
        except UnreadableTokenError as error:
            self._unreadable = str(error)
            return None

    async def _renewed(self, token: Token, rejected: str) -> Token:
        """The token in place of one that ends soon; the same one where it cannot be renewed."""
        with anyio.CancelScope(
            shield=True
        ):  # what a broken off renewal gave would be lost, the old refresh token with it
            try:
                renewed = token.renewed(await self._refresh(token), self._now())
            except Exception as error:
                fault = replace(classify(error, Stage.ACCESS), stage=Stage.ACCESS)
                if fault.kind in TRANSIENT and token.left(self._now()) <= 0:
                    raise CallFailed(fault) from None
                if fault.kind not in TRANSIENT:
                    how = "it could not be renewed" if fault.kind is FaultKind.TASK_BUG else "its renewal was refused"
                    self._not_renewed = f", and {how}: {fault.code}: {fault.message}"
                return (
                    await self._found(rejected) or token
                )  # another process may have been faster with the same refresh token
            self._not_renewed = ""
            self._on_secrets(renewed.access, *_secrets(renewed.document))
            try:
                await to_thread.run_sync(self._file.store, renewed)
            except OSError as error:
                self.not_kept = f"the renewed login of sso-session {self.sso.name} could not be kept: {error.strerror}"
        return renewed

    def _ended(self, token: Token | None, rejected: str) -> CallFailed:
        who = f"the login of sso-session {self.sso.name}"
        hint = self.sso.command
        if token is None and self._unreadable:
            what = (
                f"{who} is unknown: there is a token file, {self._file.path}, and it cannot be read: {self._unreadable}"
            )
        elif token is None:
            what = f"nobody is logged in to sso-session {self.sso.name}: there is no token at {self._file.path}"
        elif token.access == rejected and token.left(self._now()) > 0:
            what = (
                f"{who} is refused by the access portal in {self.sso.region}, although it would last until {_at(token)}"
            )
            hint = f"{hint}; if that does not help, check sso_region in [sso-session {self.sso.name}]"
        else:
            ago = format_duration(max(1.0, round(-token.left(self._now()))))
            what = f"{who} ended {ago} ago, at {_at(token)}{self._not_renewed}"
        return failed(FaultKind.EXPIRED, "HubExpired", what, stage=Stage.ACCESS, hint=hint)

    def refused(self) -> CallFailed:
        """The portal refuses whatever token there is."""
        return self._ended(self._token, self._token.access if self._token else "")

    def ends_soon(self) -> str:
        """A line for people where the login may end before a run does; empty where it lasts."""
        if self._token is None or self.left > REFRESH_WINDOW:
            return ""
        left = format_duration(max(1.0, round(self.left)))
        return (
            f"the login of sso-session {self.sso.name} ends in {left}, at {_at(self._token)}, and accounts cannot be entered "
            f"after that: `{self.sso.command}` renews it, while fanout runs, too"
        )


def _secrets(document: Mapping[str, Any]) -> list[str]:
    return [document[key] for key in ("refreshToken", "clientSecret") if isinstance(document.get(key), str)]


def _at(token: Token) -> str:
    return token.expires.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
