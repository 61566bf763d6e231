"""Makes what the package does not keep in the repository: favor/_proto/*_pb2.py(i) and favor/_version.py.

    python build_support/generate.py [--into FOLDER]

The messages are compiled from proto/ of the repository, by grpcio-tools if Python has it, else by `protoc` (or $PROTOC).
Message types are registered under a name of this package's own, `favor.client`: in one process there may then be other
code generated from the same files, of favor or of google.rpc and grpc.health, and protobuf registers both. Names of
packages and files are not on the wire. Other code that protoc lays out as modules `favor.v1` cannot be imported beside
this package, which is `favor`: generate it from copies of the files in a folder of another name.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
REPOSITORY = PACKAGE.parent.parent
PROTO = REPOSITORY / "proto"
ROOMS = ("favor", "google", "grpc")  # of it, that a client speaks

_PRIVATE = "favor_client"  # folder of the renamed files, and so the name by which generated modules import each other


def is_checkout() -> bool:
    """Whether the repository is around, and not only what an sdist holds."""
    return (PROTO / "favor" / "v1" / "attention.proto").exists()


def _rename(source: str) -> str:
    source = re.sub(r"^package [\w.]+;", "package favor.client;", source, flags=re.MULTILINE)
    source = re.sub(r'^import (public )?"(?:favor/v1|google/rpc)/', rf'import \1"{_PRIVATE}/', source, flags=re.MULTILINE)
    return source.replace("google.rpc.", "favor.client.")


def _run_protoc(arguments: list[str]) -> None:
    if "PROTOC" not in os.environ:
        try:
            from grpc_tools import protoc
        except ImportError:
            pass
        else:
            well_known = Path(protoc.__file__).parent / "_proto"
            if protoc.main(["protoc", f"-I{well_known}", *arguments]) != 0:
                raise RuntimeError("protoc of grpcio-tools failed; its messages are above")
            return
    program = os.environ.get("PROTOC") or shutil.which("protoc")
    if program is None:
        raise RuntimeError("neither grpcio-tools nor protoc is here: pip install grpcio-tools")
    subprocess.run([program, *arguments], check=True)


def generate_messages(package: Path) -> None:
    """Writes PACKAGE/_proto/*_pb2.py and .pyi."""
    into = package / "_proto"
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        sources = Path(scratch) / "sources" / _PRIVATE
        outputs = Path(scratch) / "outputs"
        sources.mkdir(parents=True)
        outputs.mkdir()
        for source in sorted(path for room in ROOMS for path in (PROTO / room).rglob("*.proto")):
            (sources / source.name).write_text(_rename(source.read_text(encoding="utf-8")), encoding="utf-8")
        files = [str(path) for path in sorted(sources.iterdir())]
        _run_protoc([f"-I{sources.parent}", f"--python_out={outputs}", f"--pyi_out={outputs}", *files])
        for output in sorted((outputs / _PRIVATE).iterdir()):
            text = re.sub(rf"^from {_PRIVATE}(?=[. ])", "from favor._proto", output.read_text(encoding="utf-8"), flags=re.MULTILINE)
            (into / output.name).write_text(text, encoding="utf-8")


def generate_version(package: Path) -> None:
    """Writes PACKAGE/_version.py with the version that CMakeLists.txt states."""
    lists = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    found = re.search(r"^project\(favord VERSION ([\d.]+)", lists, flags=re.MULTILINE)
    if found is None:
        raise RuntimeError("CMakeLists.txt of the repository states no version")
    (package / "_version.py").write_text(f'VERSION = "{found[1]}"\n', encoding="utf-8")


def generate(package: Path = PACKAGE / "favor") -> None:
    """Everything, if the repository is around; an sdist already has it."""
    if is_checkout():
        generate_messages(package)
        generate_version(package)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--into", type=Path, default=PACKAGE / "favor", help="the package's folder")
    if not is_checkout():
        sys.exit("the repository's proto folder is not here: nothing to generate from")
    generate(parser.parse_args().into)


if __name__ == "__main__":
    main()
