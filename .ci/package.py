#!/usr/bin/env python3
"""Packs what `sam build` has built into an archive that is deployed without a Rust toolchain.

    package.py v0.2.0 arm64 dist

`dist/webinargeek-connect-v0.2.0-arm64.tar.gz` has the template, a zip for each function, and samconfig.toml. What is built
twice is packed into the same bytes: names are sorted, and times are those of no day.
"""

import gzip
import io
import re
import sys
import tarfile
import zipfile
from pathlib import Path

BUILD = Path(".aws-sam/build")


def zipped(binary: bytes) -> bytes:
    """A function: one file that may be executed."""
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system, entry.external_attr = 3, 0o100755 << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(entry, binary, zipfile.ZIP_DEFLATED, 9)
    return packed.getvalue()


def files(architecture: str) -> dict[str, bytes]:
    template = (BUILD / "template.yaml").read_text()
    packed = {}
    for built in sorted(BUILD.glob("*/bootstrap")):
        name = built.parent.name
        template, found = re.subn(rf"(?m)^( +CodeUri: ){name}$", rf"\g<1>{name}.zip", template)
        if found != 1:
            sys.exit(f"the template names the code of {name} {found} times")
        packed[f"{name}.zip"] = zipped(built.read_bytes())
    left = [uri for uri in re.findall(r"(?m)^ +CodeUri: (\S+)$", template) if uri != "functions" and uri not in packed]
    if left or not packed:
        sys.exit(f"not built: {left}")
    settings, found = re.subn(r'"Architecture=\w+"', f'"Architecture={architecture}"', Path("samconfig.toml").read_text())
    if found != 1:
        sys.exit("samconfig.toml does not name the architecture once")
    packed["samconfig.toml"] = settings.encode()
    packed["template.yaml"] = template.encode()
    packed["LICENSE"] = Path("LICENSE").read_bytes()
    return packed


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    version, architecture, folder = sys.argv[1:]
    name = f"webinargeek-connect-{version}-{architecture}"
    archive = Path(folder) / f"{name}.tar.gz"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with archive.open("wb") as raw, gzip.GzipFile(fileobj=raw, filename="", mtime=0, mode="wb") as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for path, content in sorted(files(architecture).items()):
                entry = tarfile.TarInfo(f"{name}/{path}")
                entry.size, entry.mode = len(content), 0o644
                tar.addfile(entry, io.BytesIO(content))
    print(archive)


main()
