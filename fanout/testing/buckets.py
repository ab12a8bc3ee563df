"""The simulated S3: buckets of the world's accounts, and objects that are kept in memory.

After the API reference of S3; path style only, objects of a single part, no versions, no access control lists.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate
from hashlib import md5, sha256
from urllib.parse import quote
from xml.sax.saxutils import escape

from fanout.testing.answers import RefusedError, Reply, s3_answer
from fanout.testing.calls import Call
from fanout.testing.world import World

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_MADE = 1704067200.0
_MOST = 1000
_PERMISSION = {
    "ListBuckets": "ListAllMyBuckets",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
}


@dataclass(frozen=True, slots=True)
class _Object:
    body: bytes = field(repr=False)
    content_type: str
    etag: str
    at: float


@dataclass(slots=True)
class _Bucket:
    name: str
    owner: str
    region: str
    at: float
    objects: dict[str, _Object] = field(default_factory=dict)


class Buckets:
    """S3 of one world; a bucket is of one account, and no other gets in."""

    __slots__ = ("_buckets", "_operations", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        home = world.geography.home
        self._buckets = {
            name: _Bucket(name, account, home, _MADE) for account, names in world.buckets.items() for name in names
        }
        self._operations: dict[str, Callable[[Call], Reply]] = {
            "ListBuckets": self._list_buckets,
            "CreateBucket": self._create_bucket,
            "DeleteBucket": self._delete_bucket,
            "HeadBucket": self._head_bucket,
            "GetBucketLocation": self._location,
            "ListObjects": self._list_objects,
            "ListObjectsV2": self._list_objects,
            "GetObject": self._get_object,
            "HeadObject": self._get_object,
            "PutObject": self._put_object,
            "DeleteObject": self._delete_object,
        }

    def answer(self, call: Call) -> Reply:
        """Carry a call out.

        :raises RefusedError: as S3 would refuse it.
        """
        bucket, key = call.text("Bucket"), call.text("Key")
        resource = f"arn:{self._world.partition}:s3:::{bucket}/{key}" if key else self._bucket_arn(bucket)
        action = _PERMISSION.get(call.action, call.action)
        call.caller.authorise("s3", action, resource=resource if bucket else "*", region=call.region)
        return self._operations[call.action](call)

    def _bucket_arn(self, bucket: str) -> str:
        return f"arn:{self._world.partition}:s3:::{bucket}"

    def _bucket(self, call: Call) -> _Bucket:
        bucket = self._buckets.get(call.text("Bucket"))
        if bucket is None:
            raise RefusedError("NoSuchBucket", "The specified bucket does not exist", 404)
        if bucket.owner != call.caller.account:
            raise RefusedError("AccessDenied", "Access Denied", 403)
        return bucket

    def _list_buckets(self, call: Call) -> Reply:
        mine = sorted((each for each in self._buckets.values() if each.owner == call.caller.account), key=_name)
        items = "".join(
            f"<Bucket><Name>{each.name}</Name><CreationDate>{_iso(each.at)}</CreationDate></Bucket>" for each in mine
        )
        owner = f"<Owner><ID>{sha256(call.caller.account.encode()).hexdigest()}</ID></Owner>"
        return _xml("ListAllMyBucketsResult", f"{owner}<Buckets>{items}</Buckets>", call)

    def _create_bucket(self, call: Call) -> Reply:
        name = call.text("Bucket")
        known = self._buckets.get(name)
        if known is not None:
            own = known.owner == call.caller.account
            code = "BucketAlreadyOwnedByYou" if own else "BucketAlreadyExists"
            raise RefusedError(code, "The requested bucket name is not available.", 409)
        self._buckets[name] = _Bucket(name, call.caller.account, call.region, call.now)
        return s3_answer(b"", call.request_id, {"Location": f"/{name}"})

    def _delete_bucket(self, call: Call) -> Reply:
        bucket = self._bucket(call)
        if bucket.objects:
            raise RefusedError("BucketNotEmpty", "The bucket you tried to delete is not empty", 409)
        del self._buckets[bucket.name]
        return s3_answer(b"", call.request_id, status=204)

    def _head_bucket(self, call: Call) -> Reply:
        return s3_answer(b"", call.request_id, {"x-amz-bucket-region": self._bucket(call).region})

    def _location(self, call: Call) -> Reply:
        region = self._bucket(call).region
        return _xml("LocationConstraint", "" if region == "us-east-1" else region, call)

    def _list_objects(self, call: Call) -> Reply:
        bucket = self._bucket(call)
        prefix, delimiter = call.text("prefix"), call.text("delimiter")
        entries = dict(_grouped(bucket, prefix, delimiter))
        after = _after(call)
        names = [each for each in entries if each > after]
        size = min(call.number("max-keys") or _MOST, _MOST)
        page, cut = names[:size], len(names) > size
        shown = _encoder(call)
        items = "".join(_item(shown(name), entries[name]) for name in page)
        told = (
            f"<Name>{bucket.name}</Name><Prefix>{shown(prefix)}</Prefix><Delimiter>{shown(delimiter)}</Delimiter>"
            f"<MaxKeys>{size}</MaxKeys><KeyCount>{len(page)}</KeyCount><IsTruncated>{str(cut).lower()}</IsTruncated>"
        )
        if "encoding-type" in call.params:
            told += f"<EncodingType>{escape(call.text('encoding-type'))}</EncodingType>"
        if cut:
            token = base64.urlsafe_b64encode(page[-1].encode()).decode()
            version_2 = call.action == "ListObjectsV2"
            told += (
                f"<NextContinuationToken>{token}</NextContinuationToken>"
                if version_2
                else f"<NextMarker>{shown(page[-1])}</NextMarker>"
            )
        return _xml("ListBucketResult", told + items, call)

    def _get_object(self, call: Call) -> Reply:
        found = self._bucket(call).objects.get(call.text("Key"))
        if found is None:
            self._hide_if_unlisted(call)
            raise RefusedError("NoSuchKey", "The specified key does not exist.", 404)
        headers = {"ETag": found.etag, "Last-Modified": formatdate(found.at, usegmt=True)}
        return s3_answer(found.body, call.request_id, headers, content_type=found.content_type)

    def _hide_if_unlisted(self, call: Call) -> None:
        """Who may not list a bucket does not learn that a key is missing: GetObject's reference, "Permissions"."""
        call.caller.authorise("s3", "ListBucket", resource=self._bucket_arn(call.text("Bucket")), region=call.region)

    def _put_object(self, call: Call) -> Reply:
        body: bytes = call.params["Body"]
        etag = f'"{md5(body, usedforsecurity=False).hexdigest()}"'
        kind = call.text("Content-Type") or "binary/octet-stream"
        self._bucket(call).objects[call.text("Key")] = _Object(body, kind, etag, call.now)
        return s3_answer(b"", call.request_id, {"ETag": etag})

    def _delete_object(self, call: Call) -> Reply:
        self._bucket(call).objects.pop(call.text("Key"), None)
        return s3_answer(b"", call.request_id, status=204)


def _name(bucket: _Bucket) -> str:
    return bucket.name


def _grouped(bucket: _Bucket, prefix: str, delimiter: str) -> Iterator[tuple[str, _Object | None]]:
    """Keys below a prefix, in order, with their objects; a common prefix up to the delimiter has none."""
    for key, found in sorted(bucket.objects.items()):
        if not key.startswith(prefix):
            continue
        head, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        yield (prefix + head + cut, None) if cut else (key, found)


def _after(call: Call) -> str:
    token = call.text("continuation-token")
    if not token:
        return call.text("start-after") or call.text("marker")
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise RefusedError("InvalidArgument", "The continuation token provided is incorrect") from None


def _encoder(call: Call) -> Callable[[str], str]:
    return (lambda key: quote(key, safe="/")) if call.text("encoding-type") == "url" else escape


def _item(shown: str, found: _Object | None) -> str:
    if found is None:
        return f"<CommonPrefixes><Prefix>{shown}</Prefix></CommonPrefixes>"
    return (
        f"<Contents><Key>{shown}</Key><LastModified>{_iso(found.at)}</LastModified><ETag>{escape(found.etag)}</ETag>"
        f"<Size>{len(found.body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _xml(name: str, inside: str, call: Call) -> Reply:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{_NAMESPACE}">{inside}</{name}>'
    return s3_answer(text.encode(), call.request_id)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
