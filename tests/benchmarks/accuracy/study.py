"""Measures how far every estimator is from exact attention, and writes docs/accuracy.md: `./dev bench accuracy`.

A favord of this machine answers, called by the Python client; what it ought to have answered is computed in float64.
results.json is written after every step, so a run that is stopped keeps what it has.
"""
import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import accuracy_report
import estimators
import extract
import numpy
import oracle
import tensors
from attend import Reference, attend, errors_of
from bench import REPOSITORY, machine
from embed_favord import Favord
from report import to_json

FAVORD = REPOSITORY / "build/release/bin/favord"
SCALES = [0.25, 0.5, 1.0]  # of queries and keys of real models
NUM_FEATURES = [32, 64, 128, 256, 512, 1024]
M = 256  # where one number of features has to do
BAR_SEEDS = 12
PAPER = {"length": 4096, "head_dim": 16, "samples": 15, "num_features": [16, 32, 64, 128, 256, 512, 1024],
         "scales": [0.5, 1.0]}
NEAR_ZERO = {"length": 1.5, "head_dim": 16, "heads": 64, "num_features": 512}  # norms of queries and keys, scaled


class Progress:
    """One line that says how far a step is, on a terminal; its end alone elsewhere."""

    def __init__(self, what, total, started):
        self.what, self.total, self.done, self.started = what, total, 0, started
        self.begun = time.monotonic()
        self.step(0)

    def step(self, by=1):
        self.done += by
        if sys.stdout.isatty():
            filled = 24 * self.done // max(1, self.total)
            print(f"\r[{time.monotonic() - self.started:5.0f} s] {self.what[:58]:58s} "
                  f"[{'#' * filled}{'.' * (24 - filled)}] {self.done}/{self.total}", end="", flush=True)

    def end(self):
        print(f"{chr(13) if sys.stdout.isatty() else ''}[{time.monotonic() - self.started:5.0f} s] {self.what[:90]}: "
              f"{self.done} measurements in {time.monotonic() - self.begun:.0f} s".ljust(110), flush=True)


def summary(errors, mean):
    """What a row says of errors [seeds, heads] beside those of the mean of the values [heads]."""
    of_heads = errors.mean(axis=0)
    return {"median": float(numpy.median(of_heads)), "worst": float(of_heads.max()),
            "worst_by_mean": float((of_heads / mean).max()), "seeds": len(errors)}


class Study:
    """One run: its results so far, and where they go."""

    def __init__(self, options, client):
        self.quick, self.client = options.quick, client
        self.only = options.only.split(",") if options.only else []
        self.page = pathlib.Path(options.output)
        self.folder = self.page.with_suffix("")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        self.results = {"machine": machine(" ".join(["./dev bench accuracy", *sys.argv[1:]])), "quick": self.quick,
                        "inputs": [], "errors": [], "heads": [], "bars": [], "trade": [], "times": [], "synthetic": [],
                        "causal": [], "paper": [], "near_zero": [], "not_served": {}, "not_here": {}}
        if options.resume:
            self.resume(options.again.split(","))
        info = client.info()
        self.results["machine"] |= {"cpu_target": info.cpu_target, "threads": info.num_compute_threads}
        self.ways, self.results["not_served"] = estimators.served(client)
        for name, why in self.results["not_served"].items():
            self.say(f"{name} is not served, and left out: {why}")

    def resume(self, again):
        """Takes up what another run left: its rows are not measured again, but those of the ways in `again`."""
        file = self.folder / "results.json"
        if file.exists():
            former = json.loads(file.read_text())
            before = former["machine"]
            former["machine"] = self.results["machine"] | {
                "earlier": [*before.get("earlier", []), f"{before['date']}, {before['commit']}"]}
            for section, rows in former.items():
                if isinstance(rows, list):
                    former[section] = [row for row in rows if row.get("way") not in again]
            former["quick"], former["not_served"], former["not_here"] = self.quick, {}, {}
            self.results = former

    def have(self, section, **wanted):
        """Whether a section has such a row already."""
        return any(all(row.get(key) == value for key, value in wanted.items()) for row in self.results[section])

    def drop(self, section, **unwanted):
        """Forgets such rows of a section, which are about to be measured anew."""
        self.results[section] = [row for row in self.results[section]
                                 if any(row.get(key) != value for key, value in unwanted.items())]

    def say(self, text):
        print(f"[{time.monotonic() - self.started:5.0f} s] {text}", flush=True)

    def save(self):
        (self.folder / "results.json").write_text(to_json(self.results))

    def progress(self, what, total):
        return Progress(what, total, self.started)

    def way(self, name):
        return next((way for way in self.ways if way.name == name), None)

    # Real tensors -----------------------------------------------------------------------------------------------------

    def models(self, without):
        """Names of the models whose tensors are here or could be had."""
        for name in [] if without else extract.NAMES:
            if not extract.file_of(name).exists() and not self.quick:
                self.say(f"recording the tensors of {name}")
                done = subprocess.run([sys.executable, "-B", str(pathlib.Path(extract.__file__)), name],
                                      stderr=subprocess.PIPE, text=True, check=False)
                if done.returncode:
                    self.results["not_here"][name] = (done.stderr.strip().splitlines() or ["it was killed"])[-1][:200]
            if extract.file_of(name).exists():
                yield name
            else:
                why = self.results["not_here"].setdefault(name, "its tensors are not recorded; a full run does it")
                self.say(f"{name} is not here, and left out: {why}")

    def describe(self, inputs):
        if self.have("inputs", name=inputs.name):
            return
        spread = oracle.logit_spread(inputs.queries, inputs.keys)
        self.results["inputs"].append({
            "name": inputs.name, "what": inputs.what, "heads": inputs.num_heads, "length": inputs.length,
            "head_dim": inputs.head_dim, "spread_low": float(spread.min()), "spread": float(numpy.median(spread)),
            "spread_high": float(spread.max())})

    def real(self, inputs, sweep):
        """Every estimator at every number of features, or at one."""
        self.describe(inputs)
        counts = ([64, M] if self.quick else NUM_FEATURES) if sweep else [M]
        progress = self.progress(f"{inputs.what}, {inputs.length:,} tokens",
                                 len(SCALES) * (len(counts) * len(self.ways) + 1))
        for scale in SCALES:
            missing = [(way, count) for way in self.ways for count in counts
                       if not self.have("errors", inputs=inputs.name, scale=scale, way=way.name, m=count)]
            progress.step(len(counts) * len(self.ways) - len(missing) + 1)
            has_bar = self.have("bars", inputs=inputs.name, scale=scale, way=self.best().name)
            if not missing and has_bar:
                continue
            reference = Reference(self.client, inputs.scaled(scale))
            if not has_bar:
                self.bar(reference, inputs.name, scale)
            for way, count in missing:
                seeds = range(2 if count <= M and inputs.length < 4096 else 1)
                self.real_row(reference, scale, way, count, seeds)
                progress.step()
            self.save()
        progress.end()

    def real_row(self, reference, scale, way, count, seeds):
        errors, _, degenerate = errors_of(self.client, reference, way, count, seeds)
        row = {"inputs": reference.inputs.name, "scale": scale, "way": way.name, "m": count,
               "mean": float(numpy.median(reference.mean))} | summary(errors, reference.mean)
        self.results["errors"].append(row | ({"degenerate": degenerate} if degenerate else {}))

    def best(self):
        """ESTIMATOR_BEST, or the best of random features where it is not served."""
        return self.way(estimators.BEST) or self.way("SDERF precond. antith.")

    def bar(self, reference, name, scale):
        """The best estimator against orthogonal FAVOR+, per head."""
        seeds = range(3 if self.quick else BAR_SEEDS if reference.inputs.length <= 4096 else 3)
        favor, _, _ = errors_of(self.client, reference, self.way(estimators.BASELINE), M, seeds)
        best, _, _ = errors_of(self.client, reference, self.best(), M, seeds[:3])
        of_heads = favor.mean(axis=0), best.mean(axis=0)
        self.drop("bars", inputs=name, scale=scale)
        self.drop("heads", inputs=name, scale=scale)
        spread = oracle.logit_spread(reference.inputs.queries, reference.inputs.keys)
        for way, errors in zip((self.way(estimators.BASELINE), self.best()), of_heads):
            short = {"spread": spread, "error": errors, "mean": reference.mean}
            self.results["heads"].append({"inputs": name, "scale": scale, "way": way.name} | {
                key: [float(f"{value:.3g}") for value in values] for key, values in short.items()})
        self.results["bars"].append({
            "inputs": name, "scale": scale, "way": self.best().name, "seeds": len(seeds),
            "favor": float(numpy.median(of_heads[0])), "best": float(numpy.median(of_heads[1])),
            "ratio": float(numpy.median(of_heads[1]) / numpy.median(of_heads[0])),
            "ratio_of_heads": float(numpy.median(of_heads[1] / of_heads[0])),
            "favor_by_mean": float((of_heads[0] / reference.mean).max()),
            "worst_by_mean": float((of_heads[1] / reference.mean).max())})

    # Error against time -----------------------------------------------------------------------------------------------

    def trade(self, inputs, counts):
        """Error and time of one call of eight heads; the ways take turns."""
        counts = [count for count in counts if not all(
            self.have("trade", inputs=inputs.name, m=count, way=way.name) for way in self.ways)]
        if not counts:
            return
        rounds_of = {count: 9 if count == M and not self.quick else len(SCALES) for count in counts}
        progress = self.progress(f"time, {inputs.what}", sum(rounds_of.values()) * len(self.ways) + len(SCALES))
        references = []
        for scale in SCALES:
            references.append(Reference(self.client, inputs.scaled(scale)))
            progress.step()
        for way in self.ways:  # pages and projections come first
            attend(self.client, inputs, **way.arguments(32, 0))
        exact = statistics.median(attend(self.client, inputs, mode="exact").compute_ms for _ in range(3))
        for count in counts:
            self.drop("trade", inputs=inputs.name, m=count)
            times = {way.name: [] for way in self.ways}
            errors = {(way.name, scale): [] for way in self.ways for scale in SCALES}
            for turn in range(rounds_of[count]):
                for way in self.ways if turn % 2 == 0 else self.ways[::-1]:
                    reference = references[turn % len(SCALES)]
                    answer = attend(self.client, reference.inputs, **way.arguments(count, turn))
                    times[way.name].append(answer.compute_ms)
                    errors[way.name, SCALES[turn % len(SCALES)]].append(reference.errors(answer.output))
                    progress.step()
            for way in self.ways:
                ratios = [a / b for a, b in zip(times[way.name], times[estimators.BASELINE])]
                for scale, reference in zip(SCALES, references):
                    self.results["trade"].append({
                        "inputs": inputs.name, "what": inputs.what, "head_dim": inputs.head_dim, "scale": scale,
                        "way": way.name, "m": count, "ms": statistics.median(times[way.name]),
                        "times_favor": statistics.median(ratios), "exact_ms": exact,
                        "error": float(numpy.median(numpy.mean(errors[way.name, scale], axis=0))),
                        "mean": float(numpy.median(reference.mean))})
            self.save()
        progress.end()

    def times(self, head_dim):
        """FAVOR+, the best and exact attention at several lengths, eight heads, in turns."""
        ways = [self.way(estimators.BASELINE), self.best()]
        lengths = [1024, 4096] if self.quick else [256, 512, 1024, 4096, 16384]
        rounds = 5 if self.quick else 9
        progress = self.progress(f"time against length, d = {head_dim}", len(lengths) * rounds)
        for length in lengths:
            if self.have("times", head_dim=head_dim, length=length, way=ways[1].name):
                progress.step(rounds)
                continue
            self.drop("times", head_dim=head_dim, length=length)
            inputs = tensors.synthetic(head_dim, length).scaled(0.5)
            taken = {way.name: [] for way in ways} | {"exact": []}
            for turn in range(rounds):
                for way in ways if turn % 2 == 0 else ways[::-1]:
                    taken[way.name].append(attend(self.client, inputs, **way.arguments(M, turn)).compute_ms)
                if length <= 4096 or turn == 0:
                    taken["exact"].append(attend(self.client, inputs, mode="exact").compute_ms)
                progress.step()
            for name, values in taken.items():
                ratios = [a / b for a, b in zip(values, taken[estimators.BASELINE])]
                self.results["times"].append({
                    "head_dim": head_dim, "length": length, "way": name, "ms": statistics.median(values),
                    "least_ms": min(values), "times_favor": statistics.median(ratios), "rounds": len(values)})
        self.save()
        progress.end()

    # Synthetic inputs -------------------------------------------------------------------------------------------------

    def synthetic(self):
        """N(0, 1) times a scale: every head_dim at one length, every length at one head_dim."""
        dims, scales = ([32, 64], [0.5, 1.0]) if self.quick else ([16, 32, 64, 128], [0.25, 0.5, 0.75, 1.0, 1.5, 2.0])
        lengths = [256, 1024] if self.quick else [256, 1024, 4096, 16384]
        shapes = [(dim, 1024) for dim in dims] + [(64, length) for length in lengths if length != 1024]
        progress = self.progress("synthetic inputs", len(shapes) * len(scales))
        for dim, length in shapes:
            inputs = tensors.synthetic(dim, length, 8 if length <= 4096 else 2)
            for scale in scales:
                missing = [way for way in self.ways if not self.have(
                    "synthetic", head_dim=dim, length=length, scale=scale, way=way.name)]
                reference = Reference(self.client, inputs.scaled(scale)) if missing else None
                for way in missing:
                    errors, _, _ = errors_of(self.client, reference, way, M, range(2 if length <= 4096 else 1))
                    self.results["synthetic"].append(
                        {"head_dim": dim, "length": length, "scale": scale, "way": way.name, "m": M,
                         "mean": float(numpy.median(reference.mean))} | summary(errors, reference.mean))
                progress.step()
            self.save()
        progress.end()

    # Causal -----------------------------------------------------------------------------------------------------------

    def causal(self, inputs, other):
        """Statistics come from another sequence of the same model: a causal call measures none."""
        scales = SCALES[:2] if self.quick else SCALES
        ways = [way for way in self.ways if way not in estimators.CUMULANTS]
        progress = self.progress(f"causal, {inputs.what}", len(scales) * len(ways))
        for scale in scales:
            missing = [way for way in ways if not self.have(
                "causal", inputs=inputs.name, scale=scale, way=way.name)]
            progress.step(len(ways) - len(missing))
            reference = Reference(self.client, inputs.scaled(scale), causal=True) if missing else None
            sample = other.scaled(scale)
            for way in missing:
                more = {}
                if way.fitted:
                    options = {key: value for key, value in way.options if key in ("estimator", "precondition")}
                    more["statistics"] = self.client.calibrate(sample.queries[None], sample.keys[None], **options)
                errors, _, _ = errors_of(self.client, reference, way, M, range(2), **more)
                self.results["causal"].append(
                    {"inputs": inputs.name, "scale": scale, "way": way.name, "m": M, "what": inputs.what,
                     "mean": float(numpy.median(reference.mean))} | summary(errors, reference.mean))
                progress.step()
        self.save()
        progress.end()

    # The paper's curves -----------------------------------------------------------------------------------------------

    def paper(self):
        """Choromanski et al. 2021, figure 4: mean squared error of the output against m, samples of random inputs."""
        length, samples, seeds = (1024, 5, 5) if self.quick else (PAPER["length"], PAPER["samples"], 8)
        lines = {f"{estimator}, {kind}": {"estimator": estimator, "projection": kind}
                 for estimator in ("positive", "trigonometric") for kind in ("orthogonal", "iid")}
        progress = self.progress("the paper's curves", len(PAPER["scales"]) * len(lines) * len(PAPER["num_features"]))
        for scale in PAPER["scales"]:
            if self.have("paper", scale=scale, samples=samples):
                continue
            inputs = tensors.synthetic(PAPER["head_dim"], length, samples, seed=1).scaled(scale)
            reference = Reference(self.client, inputs)
            mean = float(numpy.mean((oracle.mean_of_values(inputs.values) - reference.output) ** 2))
            made = []
            for name, options in lines.items():
                for count in PAPER["num_features"]:
                    rows = count // 2 if "trigonometric" in name else count
                    squares = numpy.array([
                        ((attend(self.client, inputs, num_features=rows, seed=seed, **options).output
                          - reference.output) ** 2).mean(axis=(1, 2)) for seed in range(seeds)])
                    made.append({
                        "way": name, "scale": scale, "m": count, "length": length, "head_dim": PAPER["head_dim"],
                        "samples": samples, "mse": float(squares.mean()), "median_mse": float(numpy.median(squares)),
                        "mean": mean})
                    progress.step()
            self.drop("paper", scale=scale)
            self.results["paper"] += made
            self.save()
        progress.end()

    def near_zero(self):
        """Error of one attention weight against its size: few features, a query and two keys, one of them zero."""
        angles = numpy.pi * numpy.arange(0, 13 if not self.quick else 5) / (12 if not self.quick else 4)
        progress = self.progress("weights near zero", len(angles))
        if len(self.results["near_zero"]) == 2 * len(angles):
            return
        self.results["near_zero"] = []
        for angle in angles:
            inputs = tensors.one_angle(angle, NEAR_ZERO["length"], NEAR_ZERO["head_dim"], NEAR_ZERO["heads"])
            truth = oracle.exact(inputs.queries, inputs.keys, inputs.values)
            for name in ("positive", "trigonometric"):
                count = NEAR_ZERO["num_features"]
                wrong = [abs(attend(self.client, inputs, estimator=name, seed=seed, projection="iid",
                                    num_features=count // 2 if name == "trigonometric" else count).output - truth)
                         for seed in range(8 if self.quick else 25)]
                self.results["near_zero"].append({
                    "way": name, "angle": float(angle), "m": count, "weight": float(truth.mean()),
                    "error": float(numpy.median(wrong) / truth.mean()),
                    "mean": float(abs(0.5 - truth.mean()) / truth.mean())})
            progress.step()
        self.save()
        progress.end()

    # All --------------------------------------------------------------------------------------------------------------

    def run(self, without_models):
        """The cheapest first of what the page stands on: a run that is stopped has a page."""
        short, longer, traded, causal = list(tensors.test_data()), [], {}, None
        needed = not self.only or set(self.only) & {"real", "trade", "long", "causal", "sweep"}
        for name in self.models(without_models) if needed else ():
            window, joined, long = tensors.recorded(name)
            short.append(window if not self.quick else window.heads(slice(0, None, 3)))
            longer += [inputs for inputs in (joined, long) if inputs and not self.quick]
            traded.setdefault(joined.head_dim, joined.heads(numpy.linspace(0, joined.num_heads - 1, 8).astype(int)))
            causal = causal or (window, tensors.another_window(name))
        each = {"times": lambda: [self.times(dim) for dim in (32, 64)],
                "near_zero": self.near_zero,
                "real": lambda: [self.real(inputs, False) for inputs in short],
                "trade": lambda: [self.trade(traded.get(dim) or tensors.synthetic(dim, 4096), counts)
                                  for counts in ([M], NUM_FEATURES[:0 if self.quick else None]) for dim in (32, 64)],
                "long": lambda: [self.real(inputs, False) for inputs in longer],
                "synthetic": self.synthetic,
                "causal": lambda: self.causal(*causal) if causal else None,
                "paper": self.paper,
                "sweep": lambda: [self.real(inputs, True) for inputs in short]}
        for name in self.only or each:
            each[name]()
        self.save()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="some three minutes, no model is recorded")
    parser.add_argument("--no-models", action="store_true", help="only what the repository holds, without PyTorch")
    parser.add_argument("--resume", action="store_true", help="go on where another run with this output was stopped; "
                        "what is measured already is left")
    parser.add_argument("--again", metavar="WAYS", default="", help="with --resume: these are measured again all the same, as "
                        "`best` after it has become another")
    parser.add_argument("--only", metavar="STEPS", help="of times, near_zero, real, trade, long, synthetic, causal, paper, sweep: these, in this order")
    parser.add_argument("--no-page", action="store_true", help="measure only; accuracy_report.py PAGE writes it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--favord", default=str(FAVORD))
    parser.add_argument("--output", help="the page; charts and data go into the folder of the same name beside it")
    options = parser.parse_args()
    options.output = options.output or str(
        REPOSITORY / ("build/bench/accuracy.md" if options.quick else "docs/accuracy.md"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is stopped
    with tempfile.TemporaryDirectory() as work, Favord(options.favord, work, {}, options.threads) as favord:
        study = Study(options, favord.client)
        study.run(options.no_models)
    if options.no_page:
        return
    accuracy_report.write(study.page)
    study.say(f"{study.page} has the page")
    print(accuracy_report.bars_as_text(json.loads((study.folder / "results.json").read_text())))


if __name__ == "__main__":
    main()
