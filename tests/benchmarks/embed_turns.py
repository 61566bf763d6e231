"""Who takes turns in the embedding benchmark: peers in processes of their own, and favord."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy

PEERS_FOLDER = pathlib.Path(__file__).resolve().parent / "peers"
PAUSE = 0.05  # seconds: idle threads of the one before spin for a while


class Absent(Exception):
    """A peer that cannot be measured here, and why."""


class Peer:
    """One peer; `timed` embeds what `give` gave it."""

    def __init__(self, name, model, work, threads):
        self.name, self._work = name, pathlib.Path(work)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
        self._log = (self._work / f"{name}.log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "embed_worker.py", name, str(model), str(work), str(threads)], cwd=PEERS_FOLDER,
            env=environment | {"OMP_NUM_THREADS": str(threads)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._log, text=True)
        hello = self._answer()
        if "title" not in hello:
            self.close()
            raise Absent(hello.get("missing") or hello.get("failed"))
        self.title, self.package, self.settings = hello["title"], hello["package"], hello["settings"]
        self.quick_settings = hello["quick_settings"]

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise Absent((self._log.read().strip().splitlines() or ["killed"])[-1][:200])
        return json.loads(line)

    def _ask(self, **order):
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def give(self, workload):
        path = self._work / "inputs.json"
        path.write_text(json.dumps(workload.ids))
        self._ask(inputs=str(path))

    def timed(self, setting):
        return self._ask(setting=setting, vectors=None)["seconds"]

    def vectors(self, setting):
        path = self._work / f"{self.name}.npy"
        self._ask(setting=setting, vectors=str(path))
        return numpy.load(path)

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()


class Ours:
    """favord behind its Python client; settings are whether it gets ids or texts."""

    def __init__(self, favord, model, **options):
        self._favord, self._model, self._options = favord, model, options
        self._inputs = {}

    def give(self, workload):
        self._inputs = {"ids": workload.ids, "texts": workload.texts}

    def timed(self, setting):
        return self._favord.timed(self._inputs[setting], self._model, **self._options)[0]

    def vectors(self, setting):
        return self._favord.timed(self._inputs[setting], self._model, **self._options)[1]


def fastest(peer, quick):
    """The best of a peer's settings for the workload it has: the one with the shortest time of two, or one."""
    settings = peer.quick_settings if quick else peer.settings
    times = [float("inf")] * len(settings)
    for _ in range(1 if quick else 2):
        for index, setting in enumerate(settings):
            time.sleep(PAUSE)
            times[index] = min(times[index], peer.timed(setting))
    return settings[times.index(min(times))]


def take_turns(turns, rounds):
    """{name: [seconds]} of `turns`, {name: function that gives seconds}; all have done the same once before."""
    times = {name: [] for name in turns}
    for turn in range(rounds):
        # Every other round backwards: who follows whom shall not matter.
        for name in list(turns) if turn % 2 else list(turns)[::-1]:
            time.sleep(PAUSE)
            times[name].append(turns[name]())
    return times


def ratios(numerators, denominators):
    """Median, least and largest of the rounds' ratios."""
    values = [a / b for a, b in zip(numerators, denominators)]
    return {"ratio": statistics.median(values), "least": min(values), "most": max(values)}
