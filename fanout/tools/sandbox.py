"""A simulated organization on this machine: moto, seeded, in a process of its own on a loopback port."""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import importlib.util
import json
import logging
import os
import select
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from fanout.model.errors import FanoutError, UsageError
from fanout.tools.sandbox_environment import as_exports, real_credentials, simulated_environment
from fanout.tools.sandbox_gaps import known, refusing
from fanout.tools.sandbox_seed import HOME_REGION, Seeded, images, seed

_HOST = "127.0.0.1"
_PATIENCE = 60.0
_VERSIONS = {"ec2": "2016-11-15", "iam": "2010-05-08"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A running sandbox. It ends with `stop`, with its `with` block, or with the process that started it.

    `environment` holds the variables that a process must see to talk to it (None: must not be set), `ignored` the names
    of variables and files with real credentials, which count for nothing meanwhile.
    """

    address: str
    seeded: Seeded
    environment: Mapping[str, str | None]
    ignored: tuple[str, ...]
    _process: subprocess.Popen[bytes]
    _scratch: Path

    @classmethod
    def start(cls, *, port: int = 0, home: Path | None = None, environ: Mapping[str, str] | None = None) -> Sandbox:
        """Start one and wait until it answers: a few seconds.

        `port` 0 is any free one. `home` is the FANOUT_HOME of runs against it: a throw-away directory where None.
        Raises UsageError where moto is not installed or the port is taken, FanoutError where it doesn't come up.
        """
        _require_moto()
        environ = dict(os.environ if environ is None else environ)
        scratch = Path(tempfile.mkdtemp(prefix="fanout-sandbox-"))
        process: subprocess.Popen[bytes] | None = None
        try:
            _furnish(scratch)
            process = _spawn(scratch, port, environ)
            address, seeded = _await_ready(process, scratch)
        except BaseException:
            _end(process, scratch)
            raise
        fanout_home = scratch / "state" if home is None else home.expanduser().absolute()
        return cls(
            address=address,
            seeded=seeded,
            environment=simulated_environment(
                address, seeded, aws_home=scratch / "aws", fanout_home=fanout_home, environ=environ
            ),
            ignored=real_credentials(environ, Path(environ.get("HOME") or Path.home())),
            _process=process,
            _scratch=scratch,
        )

    def applied(self, environ: Mapping[str, str]) -> dict[str, str]:
        """`environ` as a process needs it that talks to this sandbox."""
        merged = {**environ, **self.environment}
        return {name: value for name, value in merged.items() if value is not None}

    def banner(self) -> str:
        """Say that nothing is real, where it is, and what is left alone."""
        seeded = self.seeded
        ignored = ", ".join(self.ignored) or "none were found"
        return (
            f"SIMULATED AWS at {self.address} (moto, on this machine only): nothing here is real.\n"
            f"Organization {seeded.organization}: {seeded.accounts} made-up accounts, {seeded.suspended} of them "
            f"suspended; you are user fanout-demo in the management account {seeded.account}.\n"
            f"Real credentials are ignored ({ignored}), and nothing in ~/.aws is touched.\n"
        )

    def wait(self, seconds: float | None = None) -> int:
        """Wait until the simulated AWS ends, and return its exit code.

        :raises subprocess.TimeoutExpired: where it has not ended within that time.
        """
        return self._process.wait(seconds)

    def complaint(self) -> str:
        """The last line that the simulated AWS left in its log; may be empty."""
        return _last_line(self._scratch)

    def stop(self) -> None:
        """End it and remove all that it kept. May be called twice."""
        _end(self._process, self._scratch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(stream: TextIO, *, port: int = 0, home: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
    """Run a sandbox until Ctrl-C; `stream` gets lines for a POSIX shell: the banner as comments, then the exports.

    Raises what `Sandbox.start` raises, and FanoutError where the simulated AWS ends by itself.
    """
    with contextlib.suppress(KeyboardInterrupt), Sandbox.start(port=port, home=home, environ=environ) as box:
        said = box.banner() + "Ctrl-C ends it. In another terminal, run these lines, then fanout or the AWS CLI:\n"
        stream.write("".join(f"# {line}\n" for line in said.splitlines()) + as_exports(box.environment))
        stream.flush()
        code = _until_ended(box)
        if code is None:
            return
        raise FanoutError(f"the sandbox ended by itself (exit {code}): {box.complaint() or 'it said nothing'}")


def _until_ended(box: Sandbox) -> int | None:
    """Wait for the end of the simulated AWS, and give its exit code; None where Ctrl-C came first.

    The signal sets a flag: as an exception it may come up in a callback of some library, which drops it.
    """
    ended = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: ended.set())
    try:
        while not ended.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                return box.wait(0.2)
    finally:
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, before)
    return None


def _require_moto() -> None:
    missing = [name for name in ("moto", "flask", "flask_cors") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"the sandbox needs {' and '.join(missing)}, which this installation of fanout does not have",
            "pip install 'fanout[sandbox]'",
        )


def _furnish(scratch: Path) -> None:
    """The child's home, empty AWS files, and the images that it offers."""
    for name in ("aws", "home", "state"):
        (scratch / name).mkdir(mode=0o700)
    for name in ("config", "credentials"):
        (scratch / "aws" / name).touch(mode=0o600)
    (scratch / "images.json").write_text(json.dumps(images()), encoding="utf-8")


def _spawn(scratch: Path, port: int, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the child; its stdin is a pipe that closes when this process ends, however it ends."""
    command = [sys.executable, "-P", "-m", "fanout.tools.sandbox", "--port", str(port), "--scratch", str(scratch)]
    with (scratch / "log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_scrubbed(environ, scratch),
            start_new_session=True,  # a Ctrl-C in the terminal is for fanout, which drains
        )


def _scrubbed(environ: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """The child's environment: no AWS settings or home of the person, no moto settings but ours."""
    ours = ("AWS_", "BOTO_", "MOTO_", "TEST_SERVER_MODE", "TEST_PROXY_MODE", "INITIAL_NO_AUTH_ACTION_COUNT")
    kept = {name: value for name, value in environ.items() if not name.startswith(ours)}
    paths = [str(Path(__file__).parents[2]), *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUSERBASE": site.getuserbase(),  # follows HOME, which is not the person's any more
        "HOME": str(scratch / "home"),
        "AWS_CONFIG_FILE": str(scratch / "aws" / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(scratch / "aws" / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "MOTO_AMIS_PATH": str(scratch / "images.json"),
        "MOTO_DISABLE_GLOBAL_CORS": "true",  # no web page has business here
    }


def _await_ready(process: subprocess.Popen[bytes], scratch: Path) -> tuple[str, Seeded]:
    """The address and the organization, from the one line that the child prints."""
    assert process.stdout is not None
    with process.stdout as pipe:
        answered, _, _ = select.select([pipe], [], [], _PATIENCE)
        line = pipe.readline() if answered else b""
    if not line:
        reason = _last_line(scratch) or f"nothing was heard of it for {_PATIENCE:.0f} s"
        raise FanoutError(
            f"the sandbox did not start: {reason}", "try again; if it stays so: pip install --upgrade 'fanout[sandbox]'"
        )
    said = json.loads(line)
    if "error" in said:
        raise UsageError(said["error"], "choose another --port, or 0 for any free one")
    return f"http://{_HOST}:{said.pop('port')}", Seeded(**said)


def _last_line(scratch: Path) -> str:
    with contextlib.suppress(OSError):
        lines = (scratch / "log").read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    return ""


def _end(process: subprocess.Popen[bytes] | None, scratch: Path) -> None:
    try:
        if process is not None:
            _end_process(process)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _end_process(process: subprocess.Popen[bytes]) -> None:
    try:
        if process.stdin is not None:
            process.stdin.close()  # the child's sign to leave
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


# --- the child -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Direct:
    """Calls moto's application without a socket; moto takes the caller's account from a header."""

    client: Any

    def query(self, service: str, region: str, account: str, action: str, params: Mapping[str, str]) -> str:
        form = {"Action": action, "Version": _VERSIONS[service], **params}
        answer = self.client.post("/", data=form, headers=_headers(service, region, account))
        return self._text(answer, action)

    def json(self, target: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        headers = _headers("organizations", HOME_REGION, account)
        headers["X-Amz-Target"] = f"AWSOrganizationsV20161128.{target}"
        answer = self.client.post(
            "/", data=json.dumps(params), headers=headers, content_type="application/x-amz-json-1.1"
        )
        found: dict[str, Any] = json.loads(self._text(answer, target) or "{}")
        return found

    @staticmethod
    def _text(answer: Any, action: str) -> str:
        text: str = answer.get_data(as_text=True)
        if answer.status_code != 200:
            raise RuntimeError(f"moto answered {action} with {answer.status_code}: {text[:300]}")
        return text


def _headers(service: str, region: str, account: str) -> dict[str, str]:
    scope = f"Credential=seed/20250101/{region}/{service}/aws4_request"
    return {
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none",
        "x-moto-account-id": account,
    }


def _main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m fanout.tools.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--scratch", type=Path, help="a directory to remove in the end")
    options = parser.parse_args(arguments)
    parent = os.dup(1)  # the pipe to our parent carries one line; whatever moto prints goes to the log
    os.dup2(2, 1)
    try:
        listener = _listen(options.port)
    except (OSError, OverflowError) as error:
        _tell(parent, {"error": f"the sandbox cannot listen on port {options.port}: {error}"})
        return
    server, seeded = _build(listener)
    _tell(parent, {"port": listener.getsockname()[1], **asdict(seeded)})
    _serve_until_alone(server)
    if options.scratch is not None:
        shutil.rmtree(options.scratch, ignore_errors=True)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((_HOST, port))
    listener.listen(512)
    return listener


def _serve_until_alone(server: Any) -> None:
    """Serve until stdin closes: the parent has stopped us, or is gone."""

    def leave_with_parent() -> None:
        while os.read(0, 4096):
            pass
        server.shutdown()

    threading.Thread(target=leave_with_parent, daemon=True).start()
    gc.freeze()  # the organization is not garbage, neither now nor when Python shuts down
    server.serve_forever(poll_interval=0.1)
    gc.freeze()


def _tell(pipe: int, fact: Mapping[str, Any]) -> None:
    """Say it to the parent, in one line; a parent that is gone is noticed by `_serve_until_alone`."""
    with contextlib.suppress(BrokenPipeError):
        os.write(pipe, json.dumps(fact).encode() + b"\n")
    os.close(pipe)


def _build(listener: socket.socket) -> tuple[Any, Seeded]:
    """The server on that socket, and the organization that it serves."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from moto.organizations.models import organizations_backends
    from werkzeug.serving import make_server
    from werkzeug.test import Client

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs every request
    application: Any = DomainDispatcherApplication(create_backend_app)
    # It walks moto's directories for every request: a third of the time that a small answer takes.
    application.get_backend_for_host = known(functools.lru_cache(maxsize=1024)(application.get_backend_for_host))
    client = Client(application)
    client.post("/moto-api/seed?a=1")  # the same ids in every sandbox, so that documents can name them
    seeded = seed(_Direct(client))
    # moto calls it "master", and has no call to change that.
    organizations_backends[seeded.account]["aws"].get_account_by_id(seeded.account).name = "management"
    port = listener.getsockname()[1]
    server = make_server(_HOST, port, refusing(application), threaded=True, fd=listener.fileno())
    return server, seeded


if __name__ == "__main__":
    _main(sys.argv[1:])
