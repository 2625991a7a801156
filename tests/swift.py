"""A real S3-compatible store, where it is installed: OpenStack Swift with its s3api, each server a process.

On Debian: apt-get install swift-proxy swift-account swift-container swift-object memcached.
"""

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3
from botocore.config import Config

SERVERS = ("account", "container", "object")
NEEDED = ("swift-proxy-server", "swift-ring-builder", "memcached", *(f"swift-{name}-server" for name in SERVERS))
KEYS = {"AWS_ACCESS_KEY_ID": "test:tester", "AWS_SECRET_ACCESS_KEY": "testing"}

BACKEND = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
workers = 0
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {folder}
workers = 0
[pipeline:main]
pipeline = catch_errors cache s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{cache}
[filter:slo]
use = egg:swift#slo
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:s3api]
use = egg:swift#s3api
auth_pipeline_check = false
location = us-east-1
"""


def why_not() -> str:
    """Why it cannot be started here; empty where it can."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"OpenStack Swift is not installed ({missing[0]})"
    return (
        "" if os.geteuid() == 0 and Path("/etc/swift/swift.conf").is_file() else "Swift needs root and its swift.conf"
    )


class Swift:
    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"

    @classmethod
    @contextmanager
    def started(cls, folder: Path) -> Iterator["Swift"]:
        (folder / "devices" / "d1").mkdir(parents=True)
        cache, front, *ports = _free_ports(2 + len(SERVERS))
        with ExitStack() as stack:
            _run(stack, "memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(cache))
            for name, port in zip(SERVERS, ports, strict=True):
                _make_ring(folder, name, port)
                _serve(stack, folder, name, BACKEND.format(name=name, port=port, folder=folder, user="root"))
            _serve(stack, folder, "proxy", PROXY.format(port=front, cache=cache, folder=folder, user="root"))
            for port in (cache, front, *ports):
                _wait_for(port)
            yield cls(front)

    def environment(self) -> dict[str, str]:
        """What an installation is told that keeps its files in a fresh bucket."""
        bucket = f"bucket-{uuid.uuid4().hex}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )
        client.create_bucket(Bucket=bucket)
        client.close()
        return KEYS | {"STORAGE_URL": f"s3://{bucket}/some/prefix?endpoint={self.endpoint}"}


def _make_ring(folder: Path, name: str, port: int) -> None:
    device = [
        "--region",
        "1",
        "--zone",
        "1",
        "--ip",
        "127.0.0.1",
        "--port",
        str(port),
        "--device",
        "d1",
        "--weight",
        "1",
    ]
    for act in (["create", "4", "1", "1"], ["add", *device], ["rebalance"]):
        command = ["swift-ring-builder", str(folder / f"{name}.builder"), *act]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _serve(stack: ExitStack, folder: Path, name: str, configuration: str) -> None:
    file = folder / f"{name}-server.conf"
    file.write_text(configuration)
    _run(stack, f"swift-{name}-server", str(file))


def _run(stack: ExitStack, *command: str) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.kill)


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("Swift did not start")
