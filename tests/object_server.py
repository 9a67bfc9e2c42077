"""An S3 server on this machine, and a proxy before it that fails, waits and cuts answers."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Lock
from urllib.request import Request, urlopen

import boto3
import pytest
from fsspec.implementations.http import HTTPFileSystem
from loopback import serving
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from segrnn.images.object_store import local_cache

KEY, SECRET = "AKIAEXAMPLEOFATEST42", "a+secret/that+no/file+may+have"
BUCKET = "pictures"


class Proxy(BaseHTTPRequestHandler):
    """Hands requests on to a server. Some of the answers fail."""

    protocol_version = "HTTP/1.1"
    target: tuple[str, int]
    share = 0.0
    chance: random.Random
    requests: list[tuple[str, str, str]]
    failed: list[str]
    lock = Lock()

    def do_GET(self) -> None:
        self.requests.append((self.command, self.path, self.headers.get("Range", "")))
        length = int(self.headers.get("Content-Length", 0))
        with self.lock:
            fails = self.chance.random() < self.share
            way = self.chance.choice(["error", "slow", "cut"]) if fails else ""
        if way == "cut" and length and len(self.failed) % 2:  # a connection that breaks while a file is sent
            self.failed.append("cut request")
            self.rfile.read(length // 2)
            self.close_connection = True
            return
        sent = self.rfile.read(length)
        if way:
            self.failed.append(way)
        if way == "error":
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if way == "slow":
            time.sleep(0.5)
        connection = HTTPConnection(*self.target)
        connection.request(self.command, self.path, sent or None, dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("date", "server", "connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        told = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", told or "0")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if way == "cut" else body)
        if way == "cut":
            self.close_connection = True

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


class Store:
    """A bucket behind a proxy."""

    def __init__(self, server: str, address: str, proxy: type[Proxy]) -> None:
        self.server, self.address, self.proxy = server, address, proxy
        self.client = boto3.client(
            "s3", endpoint_url=server, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
        )
        self.client.create_bucket(Bucket=BUCKET)

    def contents(self, key: str) -> dict[str, bytes]:
        """Return what all objects below a key hold, by their names from there."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{key}/")
        names = [each["Key"] for page in pages for each in page.get("Contents", [])]
        return {
            name.removeprefix(f"{key}/"): self.client.get_object(Bucket=BUCKET, Key=name)["Body"].read()
            for name in names
        }

    def put(self, path: Path, key: str) -> str:
        """Upload a file, or all files of a folder; gives its address."""
        files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        for file in files:
            below = "" if path.is_file() else f"/{file.relative_to(path).as_posix()}"
            self.client.put_object(Bucket=BUCKET, Key=f"{key}{below}", Body=file.read_bytes(), ACL="public-read")
        return f"s3://{BUCKET}/{key}"


def forget() -> None:
    """Forget what was read, and connections, which have the keys and the address of another test."""
    local_cache.cache_clear()
    S3FileSystem.clear_instance_cache()
    HTTPFileSystem.clear_instance_cache()


@contextmanager
def s3_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    """A bucket on this machine, with its keys and address in the environment, and an empty cache."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("SEGRNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    forget()
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    target = moto.get_host_and_port()
    urlopen(Request("http://{}:{}/moto-api/reset".format(*target), method="POST")).close()  # buckets outlive servers
    proxy = type("OwnProxy", (Proxy,), {"target": target, "chance": random.Random(0), "requests": [], "failed": []})
    try:
        with serving(proxy) as address:
            monkeypatch.setenv("AWS_ENDPOINT_URL", address)
            yield Store(f"http://{target[0]}:{target[1]}", address, proxy)
    finally:
        moto.stop()
        forget()
