"""Starts the real favord, the program that FAVORD_BINARY names, and reads files of tests/data."""

import contextlib
import json
import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import favor

BINARY = os.environ.get("FAVORD_BINARY")
DATA = Path(__file__).resolve().parents[2] / "data"


@contextlib.contextmanager
def favord_process(folder: Path, *flags: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The endpoint of a server that runs meanwhile, and the process, which may be stopped or killed."""
    port_file, log = folder / "port", folder / "log"
    port_file.unlink(missing_ok=True)
    command = [BINARY, "--address", "127.0.0.1:0", "--metrics-address", "", "--port-file", str(port_file), *flags]
    with log.open("w") as errors, subprocess.Popen([*command, "--drain-delay", "0s"], stderr=errors) as process:
        try:
            yield _await_serving(process, port_file, log), process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()


@contextlib.contextmanager
def running_favord(folder: Path, *flags: str) -> Iterator[str]:
    """The endpoint of a server that runs meanwhile."""
    with favord_process(folder, *flags) as (endpoint, _):
        yield endpoint


def _await_serving(process: subprocess.Popen[bytes], port_file: Path, log: Path) -> str:
    """The endpoint, once the server has loaded its models."""
    end = time.monotonic() + 60

    def look_again() -> None:
        assert process.poll() is None and time.monotonic() < end, f"favord did not start: {log.read_text()[-2000:]}"
        time.sleep(0.01)

    while not (port_file.exists() and port_file.read_text().strip()):
        look_again()
    endpoint = f"127.0.0.1:{port_file.read_text().strip()}"
    with favor.Client(endpoint, deadline=60) as client:
        while not _is_serving(client):
            look_again()
    return endpoint


def _is_serving(client: favor.Client) -> bool:
    try:
        return client.health() is favor.ServingStatus.SERVING
    except favor.UnavailableError:
        return False


def load(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Metadata and tensors of a safetensors file."""
    data = path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    dtypes = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}
    tensors = {}
    for key, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[key] = np.frombuffer(data[begin:end], dtypes[entry["dtype"]]).reshape(entry["shape"])
    return metadata, tensors


def save(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    """Writes a safetensors file."""
    names = {"float32": "F32", "float64": "F64", "int64": "I64"}
    header, offset = {}, 0
    for key, array in tensors.items():
        end = offset + array.nbytes
        header[key] = {"dtype": names[array.dtype.name], "shape": array.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(array.tobytes() for array in tensors.values()))
    return path
