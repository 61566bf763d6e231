"""A real favord for the embedding benchmark, called by the Python client over TCP."""
import functools
import json
import pathlib
import subprocess
import time

import favor
import numpy


def cpu_seconds(process):
    """CPU time that all threads of a process have used, by Linux's clock of that process."""
    return time.clock_gettime((~process << 3) | 2)


class Favord:
    """Serves these models while the `with` block runs; `client` reaches it. One thread is timed by its CPU time."""

    def __init__(self, binary, folder, models, threads):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._threads, self._clock = threads, time.perf_counter
        self._port, self._log = folder / "port", folder / "log"
        self._port.unlink(missing_ok=True)
        self._command = [str(binary), "--address", "127.0.0.1:0", "--metrics-address", "", "--drain-delay", "0s",
                         "--threads", str(threads), "--port-file", str(self._port)]
        for name, path in models.items():
            self._command += ["--model", f"{name}={path}"]

    def __enter__(self):
        with self._log.open("w") as log:
            self._process = subprocess.Popen(self._command, stderr=log)
        end = time.monotonic() + 120
        while not self._is_serving():
            if self._process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise RuntimeError(f"favord did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)
        if self._threads == 1:
            self._clock = functools.partial(cpu_seconds, self._process.pid)
        return self

    def _is_serving(self):
        if not (self._port.exists() and self._port.read_text().strip()):
            return False
        self.client = favor.Client(f"127.0.0.1:{self._port.read_text().strip()}", deadline=600)
        try:
            return self.client.health() is favor.ServingStatus.SERVING
        except favor.UnavailableError:
            return False

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(timeout=60)

    def timed(self, inputs, model, **options):
        """Seconds from the call to the vectors, and the vectors."""
        begin = self._clock()
        vectors = self.client.embed(inputs, model=model, **options)
        return self._clock() - begin, numpy.asarray(vectors)

    def peak_memory(self):
        """Bytes: the largest resident memory so far."""
        with open(f"/proc/{self._process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def with_window(model, folder, tokens):
    """A copy of a sentence encoder whose window is `tokens` long; made of links."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for path in pathlib.Path(model).resolve().iterdir():
        link = folder / path.name
        if path.name != "sentence_bert_config.json" and not link.is_symlink():
            link.symlink_to(path)
    settings = json.loads((pathlib.Path(model) / "sentence_bert_config.json").read_text())
    (folder / "sentence_bert_config.json").write_text(json.dumps(settings | {"max_seq_length": tokens}))
    return folder
