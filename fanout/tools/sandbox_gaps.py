"""What moto lacks, refused as AWS refuses: moto itself answers with an HTML page and HTTP 500, which clients retry."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

_SCOPE = re.compile(r"Credential=[^,]*/([\w-]+)/aws4_request")
_OF_XML = ("s3", "cloudfront", "route53")  # they speak XML to paths, where others speak JSON
_CODE = "NotImplemented"

Application = Callable[[Mapping[str, Any], Callable[..., Any]], Iterable[bytes]]


def refusing(application: Application) -> Application:
    """A WSGI application that refuses what this one does not implement with HTTP 400, in the protocol of the request.

    400 and not 501: what is not there now is not there when it is tried again.
    """

    def answer(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            return application(environ, start_response)
        except NotImplementedError as error:
            kind, body = _refusal(environ, str(error))
            headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("x-amzn-ErrorType", _CODE)]
            start_response("400 Bad Request", headers)
            return [body]

    return answer


def known(backend: Callable[[str | None], Any]) -> Callable[[str | None], Any]:
    """Like moto's look-up of the backend for a host, which gives None where there is none; None asks for no host.

    :raises NotImplementedError: in that case.
    """

    def find(host: str | None) -> Any:
        found = backend(host)
        if found is None and host is not None:
            raise NotImplementedError(f"there is no {host.partition('.')[0]}")
        return found

    return find


def _refusal(environ: Mapping[str, Any], why: str) -> tuple[str, bytes]:
    """A content type and a body."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    service = scope[1] if scope else "this"
    message = f"the sandbox does not simulate this part of {service} ({why})"
    if service in _OF_XML:
        return "text/xml", f"<Error><Code>{_CODE}</Code><Message>{escape(message)}</Message></Error>".encode()
    if "HTTP_X_AMZ_TARGET" in environ or environ.get("PATH_INFO", "/") != "/":
        return "application/x-amz-json-1.1", json.dumps({"__type": _CODE, "message": message}).encode()
    error = f"<Error><Code>{_CODE}</Code><Message>{escape(message)}</Message></Error>"
    return "text/xml", f"<Response><Errors>{error}</Errors><RequestID>sandbox</RequestID></Response>".encode()
