"""Where the programs are that the tests run, and the files of deploy/ with this machine's ports put in."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
# What `./dev deploy-test` puts beside Debian's packages.
TOOLS = ROOT / ".cache" / "deploy-tools"

_FOLDERS = [TOOLS / "bin", TOOLS / "python" / "bin", Path("/usr/sbin"), Path("/usr/bin")]


def find_tool(name: str) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, _FOLDERS)])
    return shutil.which(name, path=path)


def tool(name: str) -> str:
    """The path of a program; skips the test where there is none."""
    found = find_tool(name)
    if found is None:
        pytest.skip(f"{name} is not here (./dev deploy-test installs it)")
    return found


def bin_folder() -> Path:
    folder = os.environ.get("FAVOR_BIN")
    if not folder:
        pytest.skip("FAVOR_BIN names no folder with favord and favor")
    return Path(folder)


def render(source: Path, target: Path, replacements: dict[str, str]) -> Path:
    """Copies a file of deploy/ with names and ports of this machine. A text that is not in it is an error: the test
    would run something else than it says."""
    text = source.read_text()
    for old, new in replacements.items():
        assert old in text, f"{source.relative_to(ROOT)} has no {old!r}"
        text = text.replace(old, new)
    target.write_text(text)
    return target
