"""Measures embeddings by favord beside other packages and writes results.json and README.md: `./dev bench embed`.

Everything is float32 on two threads, or on one. favord serves over TCP and is called by its Python client, so its figures have the
transport in them; peers run inside their own process. All take turns on the same inputs, and a comparison is the median
over rounds of neighbours in time. Tokens are counted without padding.
"""
import argparse
import json
import pathlib
import signal
import sys
import tempfile
import time

import numpy

import embed_report
from bench import REPOSITORY, machine
from embed_favord import Favord, with_window
from embed_texts import Workload, workloads
from embed_turns import Absent, Ours, Peer, fastest, ratios, take_turns
from favor.convert import convert
from report import to_json

FAVORD = REPOSITORY / "build/release/bin/favord"
MODEL = REPOSITORY / ".cache/models/all-MiniLM-L6-v2"
ENCODERS = ["transformers", "onnxruntime", "ctranslate2"]
TOLERANCE = 1e-3  # between anyone's vectors of length 1 and ours

LONGEST = 100_000
PERFORMER = {"num_tokens": 256, "max_seq_len": LONGEST, "dim": 512, "depth": 6, "heads": 8, "dim_head": 64}
PERFORMERS = {"bidirectional": PERFORMER, "causal": PERFORMER | {"causal": True}}
LONGEST_SECONDS = 150  # a peer's call that would take longer is left out


class Run:
    """One run: its results so far, and where they go."""

    def __init__(self, options, work):
        self.threads = options.threads
        self.quick, self.peers, self.work = options.quick, not options.no_peers, pathlib.Path(work)
        self.folder = pathlib.Path(options.output)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.favord = options.favord
        self.started = time.monotonic()
        self.results = {"machine": machine(" ".join(["./dev bench embed", *sys.argv[1:]])) | {"threads": self.threads},
                        "encoders": [], "batches": [], "performers": [], "memory": None, "missing": {}}

    def say(self, text):
        print(f"[{time.monotonic() - self.started:6.1f} s] {text}", flush=True)

    def save(self):
        (self.folder / "results.json").write_text(to_json(self.results))

    def start(self, names, model):
        """The peers of these names that are here."""
        started = []
        for name in names if self.peers else []:
            try:
                started.append(Peer(name, model, self.work, self.threads))
            except Absent as why:
                self.results["missing"][name] = str(why)
                self.say(f"{name} is not here: {why}")
        return started

    def row(self, times, name, **more):
        best = min(times[name])
        return {"implementation": name, "rounds": len(times[name]), "best_seconds": best} | more

    # A sentence encoder -----------------------------------------------------------------------------------------------

    def encoders(self):
        model = with_window(MODEL, self.work / "minilm", 512)
        peers = self.start(ENCODERS, MODEL.resolve())
        with Favord(self.favord, self.work / "encoders", {"minilm": model}, self.threads) as favord:
            self.results["machine"]["cpu_target"] = favord.client.info().cpu_target
            made = workloads(favord.client, "minilm", self.quick)
            for name in ("short", "mixed", "window"):
                self.compare(made[name], Ours(favord, "minilm"), peers)
            for peer in peers:
                peer.close()
            self.batches(made["batch_mixed"], made["batch_uniform"], favord)

    def compare(self, workload, ours, peers):
        ours.give(workload)
        expected = ours.vectors("ids")
        if float(numpy.abs(ours.vectors("texts") - expected).max()) > TOLERANCE:
            sys.exit(f"favord's own tokens are others: {workload.what}")
        turns = {"favord": lambda: ours.timed("ids"), "favord, texts": lambda: ours.timed("texts")}
        more = {"favord": {"title": "favord, token ids"}, "favord, texts": {"title": "favord, texts"}}
        for peer in list(peers):
            try:
                peer.give(workload)
                setting = fastest(peer, self.quick)
                difference = float(numpy.abs(peer.vectors(setting) - expected).max())
            except (Absent, BrokenPipeError) as why:
                self.results["missing"][peer.name] = f"{workload.what}: {why}"
                peers.remove(peer)
                continue
            turns[peer.name] = lambda peer=peer, setting=setting: peer.timed(setting)
            if difference > TOLERANCE:
                sys.exit(f"{peer.title} computes other vectors, by up to {difference:.1e}: {workload.what}")
            more[peer.name] = {"title": peer.title, "package": peer.package, "setting": setting,
                               "difference": difference}
        times = take_turns(turns, 3 if self.quick else 7)
        for name in turns:
            rates = sorted(workload.num_tokens / seconds for seconds in times[name])
            row = self.row(times, name, workload=workload.name, what=workload.what, tokens=workload.num_tokens,
                           tokens_per_second=float(numpy.median(rates)), best=rates[-1], least=rates[0])
            row |= {"times_slower": ratios(times[name], times["favord"])} | more[name]
            self.results["encoders"].append(row)
            self.say(f"{workload.what}: {row['title']} {row['tokens_per_second']:,.0f} tokens/s, "
                     f"{row['times_slower']['ratio']:.2f} times favord's time {row.get('setting', '')}")
        self.save()

    def batches(self, mixed, uniform, favord):
        """What a token costs among texts of all lengths, by what it costs among equals."""
        inputs = [(each, Ours(favord, "minilm")) for each in (mixed, uniform)]
        for workload, ours in inputs:
            ours.give(workload)
            ours.timed("ids")
        times = take_turns({each.name: lambda ours=ours: ours.timed("ids") for each, ours in inputs},
                           3 if self.quick else 9)
        per_token = [[seconds / each.num_tokens for seconds in times[each.name]] for each in (mixed, uniform)]
        self.results["batches"].append({"mixed": mixed.what, "uniform": uniform.what} | ratios(*per_token))
        self.say(f"{mixed.what} by {uniform.what}, per token: {self.results['batches'][-1]['ratio']:.3f}")
        self.save()

    # Performers -------------------------------------------------------------------------------------------------------

    def performers(self):
        for kind, arguments in PERFORMERS.items():
            peers = self.start(["performer"], json.dumps(arguments))
            if not peers:
                return self.say("Without performer-pytorch there are no Performers to serve.")
            converted = self.work / kind
            convert(self.work / "performer.pt", arguments, converted)
            with Favord(self.favord, self.work / f"favord-{kind}", {"performer": converted}, self.threads) as favord:
                ours = Ours(favord, "performer", pooling="mean", normalize=False)
                predicted = 0.0
                for length in [1024, 4096, 16384] + ([] if self.quick else [65536]):
                    peer = peers[0] if predicted < LONGEST_SECONDS else None
                    seconds = self.performer_of(kind, length, ours, peer)
                    predicted = 4 * seconds if seconds else float("inf")
            peers[0].close()
        return self.memory(self.work / next(iter(PERFORMERS)))

    def performer_of(self, kind, length, ours, peer):
        """Seconds of the peer, or None without it."""
        ids = numpy.random.default_rng(length).integers(0, PERFORMER["num_tokens"], length).tolist()
        workload = Workload("performer", f"{length} tokens", [], [ids])
        ours.give(workload)
        expected = ours.vectors("ids")
        turns, more = {"favord": lambda: ours.timed("ids")}, {"favord": {"title": "favord, token ids"}}
        if peer:
            peer.give(workload)
            turns[peer.name] = lambda: peer.timed({})
            vectors = peer.vectors({})
            more[peer.name] = {"title": peer.title, "package": peer.package, "difference": float(
                numpy.linalg.norm(vectors - expected) / numpy.linalg.norm(expected))}
        times = take_turns(turns, 3 if length <= 16384 and not self.quick else 2 if length <= 4096 else 1)
        for name in turns:
            rates = sorted(length / seconds for seconds in times[name])
            row = self.row(times, name, kind=kind, length=length, tokens_per_second=float(numpy.median(rates)), best=rates[-1])
            row |= {"times_slower": ratios(times[name], times["favord"])} | more[name]
            self.results["performers"].append(row)
            self.say(f"{kind} Performer, {length} tokens: {row['title']} {row['tokens_per_second']:,.0f} tokens/s, "
                     f"{row['times_slower']['ratio']:.2f} times favord's time")
        self.save()
        return min(times[peer.name]) if peer else None

    def memory(self, model):
        """The longest input through a server that has seen no other."""
        with Favord(self.favord, self.work / "memory", {"performer": model}, self.threads) as favord:
            before = favord.peak_memory()
            ids = numpy.random.default_rng(1).integers(0, PERFORMER["num_tokens"], LONGEST).tolist()
            seconds, _ = favord.timed([ids], "performer")
            self.results["memory"] = {"tokens": LONGEST, "seconds": seconds, "peak_bytes": favord.peak_memory(),
                                      "before_bytes": before}
        self.say(f"{LONGEST} tokens: peak {self.results['memory']['peak_bytes'] / 1e9:.2f} GB, {seconds:.1f} s")
        self.save()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--threads", type=int, default=2, help="1: timed by CPU time, for a machine with other work")
    parser.add_argument("--only", choices=["encoders", "performers"])
    parser.add_argument("--favord", default=str(FAVORD))
    parser.add_argument("--output")
    options = parser.parse_args()
    options.output = options.output or str(
        REPOSITORY / ("build/bench/embed" if options.quick else "docs/benchmarks/embed"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is stopped
    with tempfile.TemporaryDirectory() as work:
        run = Run(options, work)
        if options.only != "performers":
            run.encoders()
        if options.only != "encoders":
            run.performers()
        run.save()
    embed_report.write(run.folder)
    run.say(f"{run.folder}/README.md has the table")
    print(embed_report.targets_as_text(run.results))


if __name__ == "__main__":
    main()
