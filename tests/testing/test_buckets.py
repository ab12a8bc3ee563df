"""S3: buckets of an account, objects in memory, and the real AWS CLI listing and copying."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from fanout.testing import World

HUB = "999900000000"
ONLY = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":%s,"Resource":"%s"}}'


@pytest.fixture
def stock(serve):
    world = World.generate(2)
    return serve(World.generate(2, buckets={HUB: ("reports", "archive"), world.accounts[1].id: ("theirs",)}))


@pytest.fixture
def s3(stock):
    return stock.client("s3")


def code(call, **arguments) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"]


def test_account_sees_its_own_buckets(stock, s3):
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["archive", "reports"]
    there = stock.assume(stock.endpoint.world.accounts[1].id)
    assert [each["Name"] for each in stock.client("s3", there).list_buckets()["Buckets"]] == ["theirs"]
    assert code(s3.list_objects_v2, Bucket="theirs") == "AccessDenied"
    assert code(s3.list_objects_v2, Bucket="nobodys") == "NoSuchBucket"
    assert code(s3.head_bucket, Bucket="nobodys") == "404"
    assert s3.head_bucket(Bucket="reports")["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket="reports")["LocationConstraint"] is None


@pytest.mark.parametrize("key", ["a.txt", "dir/with space & <signs>+~é.txt", "a//b"])
def test_object_comes_back_as_it_was_put(s3, key):
    put = s3.put_object(Bucket="reports", Key=key, Body=b"hello", ContentType="text/csv")
    told = s3.get_object(Bucket="reports", Key=key)
    with told["Body"] as body:
        assert body.read() == b"hello"
    assert told["ContentType"] == "text/csv"
    assert told["ETag"] == put["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'
    head = s3.head_object(Bucket="reports", Key=key)
    assert (head["ContentLength"], head["ETag"]) == (5, put["ETag"])
    [listed] = s3.list_objects_v2(Bucket="reports")["Contents"]
    assert (listed["Key"], listed["Size"]) == (key, 5)
    s3.delete_object(Bucket="reports", Key=key)
    assert code(s3.get_object, Bucket="reports", Key=key) == "NoSuchKey"


def test_object_larger_than_a_mebibyte_is_taken(s3):
    s3.put_object(Bucket="reports", Key="big", Body=b"x" * 3_000_000)
    assert s3.head_object(Bucket="reports", Key="big")["ContentLength"] == 3_000_000


def test_objects_are_listed_in_pages_and_by_folder(s3):
    for key in ("a/1", "a/2", "b/3", "c", "d"):
        s3.put_object(Bucket="reports", Key=key, Body=b"")
    told = s3.list_objects_v2(Bucket="reports", Delimiter="/")
    assert [each["Prefix"] for each in told["CommonPrefixes"]] == ["a/", "b/"]
    assert [each["Key"] for each in told["Contents"]] == ["c", "d"]
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="reports", Prefix="a/")["Contents"]] == ["a/1", "a/2"]
    for operation in ("list_objects_v2", "list_objects"):
        pages = list(s3.get_paginator(operation).paginate(Bucket="reports", PaginationConfig={"PageSize": 2}))
        assert [each["Key"] for page in pages for each in page["Contents"]] == ["a/1", "a/2", "b/3", "c", "d"]
        assert len(pages) == 3
    assert code(s3.list_objects_v2, Bucket="reports", ContinuationToken="x") == "InvalidArgument"


def test_buckets_are_made_and_removed(s3):
    s3.create_bucket(Bucket="fresh")
    assert code(s3.create_bucket, Bucket="fresh") == "BucketAlreadyOwnedByYou"
    assert code(s3.create_bucket, Bucket="theirs") == "BucketAlreadyExists"
    s3.put_object(Bucket="fresh", Key="x", Body=b"x")
    assert code(s3.delete_bucket, Bucket="fresh") == "BucketNotEmpty"
    s3.delete_object(Bucket="fresh", Key="x")
    s3.delete_bucket(Bucket="fresh")
    assert code(s3.head_bucket, Bucket="fresh") == "404"


def test_permission_is_asked_for_bucket_and_object(stock):
    writer = stock.assume(HUB, Policy=ONLY % ('["s3:PutObject","s3:GetObject"]', "arn:aws:s3:::reports/in/*"))
    s3 = stock.client("s3", writer)
    s3.put_object(Bucket="reports", Key="in/a", Body=b"x")
    assert code(s3.put_object, Bucket="reports", Key="out/a", Body=b"x") == "AccessDenied"
    assert code(s3.list_buckets) == "AccessDenied"
    assert code(s3.list_objects_v2, Bucket="reports") == "AccessDenied"
    # A caller who may not list does not learn that a key is missing.
    assert code(s3.get_object, Bucket="reports", Key="in/missing") == "AccessDenied"


def test_wrong_keys_are_refused_in_s3s_words(stock):
    key = stock.endpoint.world.hub_keys[0]
    wrong = {"AccessKeyId": key.key_id, "SecretAccessKey": "x"}
    assert code(stock.client("s3", wrong).list_buckets) == "SignatureDoesNotMatch"
    assert code(stock.client("s3", {**wrong, "AccessKeyId": "AKIANOBODY"}).list_buckets) == "InvalidAccessKeyId"


def test_presigned_object_is_read_and_written(stock):
    s3 = stock.client("s3", signature_version="s3v4")
    name = {"Bucket": "reports", "Key": "a b.txt"}
    writing = s3.generate_presigned_url("put_object", Params=name)
    with urllib.request.urlopen(urllib.request.Request(writing, b"by url", method="PUT")) as answer:
        assert answer.status == 200
    with urllib.request.urlopen(s3.generate_presigned_url("get_object", Params=name)) as answer:
        assert answer.read() == b"by url"


def test_what_is_not_simulated_says_so(s3):
    assert code(s3.get_bucket_policy, Bucket="reports") == "NotImplemented"
    assert code(s3.create_multipart_upload, Bucket="reports", Key="x") == "NotImplemented"
    source = {"Bucket": "reports", "Key": "x"}
    assert code(s3.copy_object, Bucket="reports", Key="y", CopySource=source) == "NotImplemented"


def test_aws_cli_lists_and_copies(stock, s3, tmp_path):
    source = tmp_path / "report.csv"
    source.write_text("a,b\n")

    def aws(*arguments: str) -> str:
        told = subprocess.run(
            [Path(sys.executable).with_name("aws"), "s3", *arguments],
            env={**os.environ, **stock.endpoint.env()},
            check=True,
            capture_output=True,
            text=True,
        )
        return told.stdout

    assert [line.split()[-1] for line in aws("ls").splitlines()] == ["archive", "reports"]
    aws("cp", str(source), "s3://reports/daily/report.csv")
    assert aws("ls", "s3://reports").split() == ["PRE", "daily/"]
    with s3.get_object(Bucket="reports", Key="daily/report.csv")["Body"] as body:
        assert body.read() == b"a,b\n"
