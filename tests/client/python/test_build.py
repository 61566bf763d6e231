"""The hooks of the build backend, in a tree where nothing has been generated yet, as it is after a clone."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PACKAGE, REPOSITORY

pytest.importorskip("setuptools")

GENERATED = ("*_pb2.py*", "_version.py", "__pycache__", "build", "dist", "*.egg-info")


@pytest.fixture
def package(tmp_path):
    """The package's folder in such a tree."""
    root = tmp_path / "repository"
    folder = root / "client" / "python"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns(*GENERATED))
    shutil.copytree(REPOSITORY / "proto", root / "proto")
    shutil.copy(REPOSITORY / "CMakeLists.txt", root)
    # In the words that setuptools below 77 knows too: what Python has is to do, without a network.
    project = folder / "pyproject.toml"
    project.write_text(project.read_text().replace('license = "Apache-2.0"', 'license = { text = "Apache-2.0" }'))
    return folder


def run_hook(package: Path, name: str, *arguments: str):
    """What a hook returns, called in a process of its own, as installers do."""
    script = (
        "import json, sys; sys.path.insert(0, 'build_support'); import backend; "
        "answer = getattr(backend, sys.argv[1])(*sys.argv[2:]); print(); print(json.dumps(answer))"
    )
    command = [sys.executable, "-B", "-c", script, name, *arguments]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("kind", ["wheel", "sdist", "editable"])
def test_a_fresh_tree_says_what_a_build_requires(package, kind):
    requires = run_hook(package, f"get_requires_for_build_{kind}")
    assert any(requirement.startswith("grpcio-tools") for requirement in requires)


def test_an_sdist_carries_what_was_generated_and_requires_no_tools(package, tmp_path):
    name = run_hook(package, "build_sdist", str(tmp_path))
    shutil.unpack_archive(tmp_path / name, tmp_path)
    unpacked = tmp_path / name.removesuffix(".tar.gz")
    assert (unpacked / "favor" / "_proto" / "attention_pb2.py").exists()
    assert "VERSION" in (unpacked / "favor" / "_version.py").read_text()
    assert not any("grpcio" in requirement for requirement in run_hook(unpacked, "get_requires_for_build_wheel"))
