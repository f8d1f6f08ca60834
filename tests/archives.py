"""Wheels and tarballs that tests make, and an npm that knows no registry."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

NPM = f"""#!{sys.executable}
import pathlib, shutil, sys
asked = [word for word in sys.argv[1:] if not word.endswith(".js")]
assert asked[0] == "pack", asked
store, into = pathlib.Path({{store!r}}), asked[asked.index("--pack-destination") + 1]
name = asked[1].lstrip("@").replace("/", "-").replace("@", "-") + ".tgz"
if not (store / name).is_file():
    sys.exit("npm error code E404\\nnpm error 404 '" + asked[1] + "' is not in this registry.")
shutil.copy(store / name, into)
"""


def wheel(folder: Path, package: str, members: Mapping[str, bytes], *, mode: int = 0o644) -> str:
    """Make a wheel of ``name==version`` with these members; return its SHA-256."""
    name, version = package.replace("-", "_").split("==")
    described = f"{name}-{version}.dist-info"
    said = {
        f"{described}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{described}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files = {**members, **said}
    files[f"{described}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{described}/RECORD"]).encode()
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file, data in files.items():
            info = zipfile.ZipInfo(file)
            info.external_attr = (0o100000 | mode) << 16
            zipped.writestr(info, data, zipfile.ZIP_DEFLATED)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tarball(folder: Path, package: str, members: Mapping[str, bytes | str]) -> str:
    """Make a tarball of ``name@version``; a member given as text is a link to there. Return its SHA-256."""
    path = folder / f"{package.lstrip('@').replace('/', '-').replace('@', '-')}.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def npm(folder: Path, store: Path) -> bytes:
    """Put a program npm into a folder, whose registry is the folder `store`; return its text."""
    folder.mkdir(exist_ok=True)
    text = NPM.format(store=str(store))
    (folder / "npm").write_text(text)
    (folder / "npm").chmod(0o755)
    return text.encode()
