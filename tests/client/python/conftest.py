"""Puts the package on the path, with its generated files made into a folder of the test run when they are not there."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGE = REPOSITORY / "client" / "python"


def _package_folder() -> Path:
    """A copy of the package with generated files of this very checkout, so that sources stay clean and never stale."""
    folder = Path(tempfile.mkdtemp(prefix="favor-package-"))
    shutil.copytree(PACKAGE / "favor", folder / "favor", ignore=shutil.ignore_patterns("*_pb2.py*", "__pycache__"))
    generator = PACKAGE / "build_support" / "generate.py"
    subprocess.run([sys.executable, str(generator), "--into", str(folder / "favor")], check=True)
    return folder


# FAVOR_INSTALLED_PACKAGE=1 tests the package that is installed instead.
if not os.environ.get("FAVOR_INSTALLED_PACKAGE"):
    _FOLDER = _package_folder()
    sys.path.insert(0, str(_FOLDER))


def pytest_unconfigure() -> None:
    if not os.environ.get("FAVOR_INSTALLED_PACKAGE"):
        shutil.rmtree(_FOLDER, ignore_errors=True)


@pytest.fixture
def server() -> Iterator["FakeServer"]:  # noqa: F821
    from fake_server import FakeServer

    with FakeServer() as fake:
        yield fake
