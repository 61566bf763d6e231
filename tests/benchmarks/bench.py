"""Runs the benchmarks and writes results.json, README.md and charts: what `./dev bench` calls after building.

Kernels run in the Google Benchmark program attention_benchmark, peers and memory in peers/measure.py, each case in a
process of its own. results.json is written after every case, so a run that is stopped keeps what it has.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

import report
import service

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
KERNELS = REPOSITORY / "build/release/benchmarks/attention_benchmark"
FAVOR = REPOSITORY / "build/release/bin/favor"

PEERS = ["performer_bidirectional", "performer_causal", "fast_transformers_causal", "torch_exact", "linformer",
         "reformer", "clustered", "improved_clustered"]
OURS = ["favor_bidirectional", "favor_causal", "favor_exact"]
LENGTHS = [512, 1024, 4096, 16384, 65536, 262144, 1048576]
HEADS = 8
LONGEST_EXACT = 16384  # of ours, for its memory
LONGEST_SECONDS = 60  # a call that would take longer is left out, by the time of the length before

# The quick run: enough for the table of targets, too few repetitions for good figures.
QUICK_LENGTHS = [1024, 4096]
QUICK_PEERS = ["performer_bidirectional", "performer_causal", "fast_transformers_causal", "torch_exact"]
QUICK_FILTER = r"fma_peak|eigen/H:8/L:4096|/H:8/L:(128|256|512|1024|4096)/|ratio/(two_threads|speed)"


def allowed_cores():
    return len(os.sched_getaffinity(0))


def cpu_model():
    with open("/proc/cpuinfo") as lines:
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "CPU part"))]
    return names[0] if names else platform.machine()


def memory_bytes(field):
    with open("/proc/meminfo") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def output_of(*command):
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def machine(command):
    os_release = dict(line.rstrip().split("=", 1) for line in open("/etc/os-release") if "=" in line)
    return {
        "cpu": cpu_model(), "cores": os.cpu_count(), "allowed_cores": allowed_cores(),
        "memory_gb": round(memory_bytes("MemTotal") / 2**30), "os": os_release["PRETTY_NAME"].strip('"'),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "command": command,
        "commit": output_of("git", "rev-parse", "--short", "HEAD"), "load_at_start": round(os.getloadavg()[0], 2),
    }


class Run:
    """One run of the bench: its results so far, and where they go."""

    def __init__(self, options, command):
        self.options = options
        self.folder = pathlib.Path(options.output)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        self.results = {"machine": machine(command), "kernels": [], "ratios": [], "peers": [], "memory": [],
                        "missing": {}, "left_out": []}

    def say(self, text):
        print(f"[{time.monotonic() - self.started:6.0f} s] {text}", flush=True)

    def save(self):
        (self.folder / "results.json").write_text(report.to_json(self.results))

    def leave_out(self, case, why):
        self.results["left_out"].append({"case": case, "why": why})
        self.say(f"{case} ... left out: {why}")

    # Kernels ----------------------------------------------------------------------------------------------------------

    def kernels(self):
        out = REPOSITORY / "build/bench-kernels.json"
        command = [str(KERNELS), f"--benchmark_out={out}", "--benchmark_out_format=json"]
        command += ["--benchmark_min_time=0.2", f"--benchmark_filter={QUICK_FILTER}"] if self.options.quick else [
            "--benchmark_min_time=0.5", "--benchmark_repetitions=3"]
        self.say("kernels: " + " ".join(command[1:]))
        log = REPOSITORY / "build/logs/attention_benchmark.log"
        log.parent.mkdir(exist_ok=True)
        with open(log, "w") as stderr:
            program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
            for line in program.stdout:
                found = re.match(r"(\S+?)/manual_time .*?([0-9.e+-]+ ms) .*(share|ratio|peak)=(\S+)", line)
                if found and not re.search("_(mean|median|stddev|cv)$", found[1]):
                    self.say(f"{found[1]} ... {found[2]}, {found[3]} {found[4]}")
        if program.wait():
            sys.exit(f"attention_benchmark failed, see {log}")
        self.read_kernels(json.loads(out.read_text()))
        self.save()

    def read_kernels(self, raw):
        context = raw["context"]
        self.results["machine"] |= {key: context[key] for key in ("favor_cpu_target", "fma_peak_width", "compiler")}
        cases = {}
        for row in raw["benchmarks"]:
            if row["run_type"] == "iteration" and not row.get("error_occurred"):
                cases.setdefault(row["name"].replace("/manual_time", "").split("/repeats")[0], []).append(row)
        for name, rows in cases.items():
            median = lambda key: statistics.median(row[key] for row in rows)
            parts = name.split("/")
            values = {key: int(value) for key, value in (part.split(":") for part in parts if ":" in part)}
            if parts[0] == "ratio":
                ratio = {"name": parts[1], "variant": parts[2], "heads": values["H"], "ratio": median("ratio")}
                if "free_cores" in rows[0]:
                    ratio["free_cores"] = median("free_cores")
                self.results["ratios"].append(ratio)
            elif parts[0] == "fma_peak":
                self.results["machine"][f"fma_peak_gflops_{values['threads']}_threads"] = median("peak")
            else:
                self.results["kernels"].append({
                    "variant": parts[0], "heads": values["H"], "length": values["L"], "threads": values["threads"],
                    "median_ms": median("median_ms"), "best_ms": min(row["best_ms"] for row in rows),
                    "gflops": median("GFLOP/s"), "peak": median("peak"), "share": median("share"),
                    "best_share": max(row["best_share"] for row in rows)})

    # Peers and memory -------------------------------------------------------------------------------------------------

    def measure(self, name, length, threads, runs):
        """One case in its own process; the row, or None when it was left out."""
        case = f"{name}, L = {length}, {threads} thread{'s' if threads > 1 else ''}"
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("OPENBLAS_")}  # a core type forced there would slow a peer down
        done = subprocess.run(
            [sys.executable, "measure.py", name, f"--heads={HEADS}", f"--length={length}", f"--threads={threads}",
             f"--runs={runs}", f"--seconds={1.5 if self.options.quick else 4}"],
            cwd=HERE / "peers", env=environment, capture_output=True, text=True, check=False)
        lines = done.stdout.strip().splitlines()
        row = json.loads(lines[-1]) if lines else {"failed": (done.stderr.strip().splitlines() or ["killed"])[-1][:200]}
        if "missing" in row:
            self.results["missing"][name] = row["missing"]
            self.say(f"{name} is not here: {row['missing']}")
            return None
        if "failed" in row:
            self.leave_out(case, row["failed"])
            return None
        timing = f"{row['median_ms']:.1f} ms, {row['times_favor']:.2f} times favord, " if runs else ""
        self.say(f"{case} ... {timing}{row['memory_bytes'] / 2**20:.1f} MiB")
        return row

    def seconds_of_a_call(self, row, length, exact):
        """Seconds that the call would take at `length`, from a row at a shorter one."""
        return row["first_ms"] / 1e3 * (length / row["length"]) ** (2 if exact else 1)

    def memory_of_ours(self):
        for name in OURS:
            for length in QUICK_LENGTHS if self.options.quick else LENGTHS:
                if name == "favor_exact" and length > LONGEST_EXACT:
                    continue
                if row := self.measure(name, length, 1, runs=0):
                    self.results["memory"].append(row)
                    self.save()

    def peers(self):
        for name in QUICK_PEERS if self.options.quick else PEERS:
            for threads in (1, 2):
                if threads > allowed_cores() or (self.options.quick and threads == 2):
                    continue
                self.lengths_of_peer(name, threads)
                if name in self.results["missing"]:
                    break

    def lengths_of_peer(self, name, threads):
        last = None
        for length in QUICK_LENGTHS if self.options.quick else LENGTHS:
            seconds = self.seconds_of_a_call(last, length, name == "torch_exact") if last else 0
            if seconds > LONGEST_SECONDS:
                return self.leave_out(f"{name}, L = {length} and longer, {threads} threads",
                                      f"a call would take some {seconds:.0f} s")
            last = self.measure(name, length, threads, runs=15)
            if last is None:
                return None
            self.results["peers"].append(last)
            self.save()

    # The service ------------------------------------------------------------------------------------------------------

    def service(self):
        """favord and its transport, where they have been built."""
        if not FAVOR.exists():
            return
        self.say("favord over TCP and a unix socket, beside a plain echo")
        self.results["service"] = service.measure(FAVOR.parent, self.options.quick)
        self.save()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--output")
    options = parser.parse_args()
    options.output = options.output or str(REPOSITORY / ("build/bench" if options.quick else "docs/benchmarks"))
    run = Run(options, " ".join(["./dev bench", *sys.argv[1:]]))
    if allowed_cores() < 2:
        run.say("This process may use one core: two threads are not measured.")
    run.kernels()
    if not options.no_peers:
        run.peers()
        run.memory_of_ours()
    run.service()
    run.save()
    report.write(run.folder)
    run.say(f"{run.folder}/README.md has the table")
    print(report.targets_as_text(run.results))


if __name__ == "__main__":
    main()
