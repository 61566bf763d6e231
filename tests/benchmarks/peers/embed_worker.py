"""Keeps one peer in a process of its own and runs it on demand: embed_worker.py NAME MODEL WORK THREADS.

Answers one line of JSON at the start ({"package", "settings"}, {"missing"} or {"failed"}), then one for each line of
JSON on standard input: {"inputs": FILE} reads lists of ids, {"setting": {...}, "vectors": FILE or null} embeds them
and answers {"seconds"}: on the clock, or with one thread of CPU time.
"""
import importlib.metadata
import json
import os
import sys
import time

import numpy

from embed_peers import PEERS


def serve(peer, clock, answer):
    inputs = []
    for line in sys.stdin:
        order = json.loads(line)
        if "inputs" in order:
            with open(order["inputs"]) as file:
                inputs = json.load(file)
            answer({"count": len(inputs)})
            continue
        begin = clock()
        vectors = peer(inputs, order["setting"])
        seconds = clock() - begin
        if order["vectors"]:
            numpy.save(order["vectors"], vectors)
        answer({"seconds": seconds})


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what packages print goes elsewhere
    name, model, work, threads = sys.argv[1:]

    def answer(row):
        out.write(json.dumps(row) + "\n")
        out.flush()

    kind = PEERS[name]
    try:
        peer = kind(model, work, int(threads))
        version = importlib.metadata.version(kind.package)
    except ImportError as error:
        return answer({"missing": str(error)})
    except Exception as error:  # whatever a package raises, only its own rows are lost
        return answer({"failed": (str(error).splitlines() or [repr(error)])[0][:200]})
    answer({"title": kind.title, "package": f"{kind.package} {version}", "settings": peer.settings,
            "quick_settings": peer.quick_settings})
    return serve(peer, time.process_time if threads == "1" else time.perf_counter, answer)


if __name__ == "__main__":
    main()
