#!/usr/bin/env python3
"""Checks that SAM uploads the functions of an archive of package.py without a build: `sam package` on a bucket of moto.

    try_package.py dist/webinargeek-connect-v0.2.0-x86_64.tar.gz
"""

import io
import logging
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

BUILD = Path(".aws-sam/build").resolve()

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
os.environ |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up"}
s3 = boto3.client("s3", region_name="us-east-1")
s3.create_bucket(Bucket="packages")
with tempfile.TemporaryDirectory() as folder:
    with tarfile.open(sys.argv[1]) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = Path(folder).iterdir()
    command = ["sam", "package", "--region", "us-east-1", "--s3-bucket", "packages", "--output-template-file", "packaged.yaml"]
    subprocess.run(command, cwd=unpacked, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    keys = re.findall(r"(?m)^ +CodeUri: s3://packages/(\S+)$", (unpacked / "packaged.yaml").read_text())
uploaded = set()
for key in keys:
    with zipfile.ZipFile(io.BytesIO(s3.get_object(Bucket="packages", Key=key)["Body"].read())) as code:
        (entry,) = code.infolist()
        assert entry.external_attr >> 16 == 0o100755, "Lambda cannot start a file that is not executable"
        uploaded.add(code.read("bootstrap"))
server.stop()
built = {path.read_bytes() for path in BUILD.glob("*/bootstrap")}
assert uploaded == built and len(keys) == len(built), f"{len(keys)} functions are uploaded, {len(built)} are built"
print(f"{len(keys)} functions are uploaded as they were built")
