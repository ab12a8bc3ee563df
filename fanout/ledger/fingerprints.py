"""Keyed fingerprints of secrets: what a ledger may hold in their place."""

from __future__ import annotations

import hmac
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from fanout.ledger.disk import make_private_directory
from fanout.model.errors import LedgerError

PREFIX = "hmac:"
_KEY_BYTES = 32
_SHOWN = 32  # 128 bits of the digest, in hex


def key_path(home: Path) -> Path:
    """Where the key is: beside the runs, and never in one."""
    return home / "fingerprint.key"


def fingerprinting(home: Path) -> Callable[[str], str]:
    """A function that gives the fingerprint of a text, such as `hmac:9f2c…`: HMAC-SHA256 with this machine's own key.

    The key is made when it is first needed (0600). Whoever has a ledger alone cannot find out a value by trying.

    :raises LedgerError: (when called) if the key cannot be read or made.
    """
    kept: list[bytes] = []

    def fingerprint(secret: str) -> str:
        if not kept:
            kept.append(_key(key_path(home)))
        digest = hmac.new(kept[0], secret.encode("utf-8", "surrogatepass"), "sha256").hexdigest()
        return f"{PREFIX}{digest[:_SHOWN]}"

    return fingerprint


def _key(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return _make(path)
    except OSError as error:
        raise LedgerError(f"the key {path} cannot be read: {error.strerror}", "check its permissions") from None
    if len(key) != _KEY_BYTES:
        raise LedgerError(
            f"the key {path} is damaged: it has {len(key)} bytes, not {_KEY_BYTES}",
            "restore it from a backup, or remove it: secrets of earlier runs can then not be compared any more",
        )
    return key


def _make(path: Path) -> bytes:
    """Make the key whole or not at all; where another process was faster, its key counts."""
    make_private_directory(path.parent)
    name = ""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".fingerprint.")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
            stream.flush()
            os.fsync(descriptor)
        os.link(name, path)
    except FileExistsError:
        pass
    except OSError as error:
        raise LedgerError(
            f"the key {path} cannot be made: {error.strerror}", "check its directory, or set FANOUT_HOME to another"
        ) from None
    finally:
        if name:
            Path(name).unlink(missing_ok=True)
    return path.read_bytes()
