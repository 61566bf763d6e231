"""Measures one implementation at one length in a process of its own and prints one line of JSON.

  measure.py performer_bidirectional --length 4096
  measure.py favor_causal --length 65536 --runs 0         # memory only

memory_bytes is the peak resident memory of the first call beyond what was resident before it, less a new output: what
the call needs besides its inputs, output and weights. One thread is timed by the CPU time of the process, more by the
clock. The peak and our own call take turns with the peer, so `share` (of the FMA peak) and `times_favor` (how many
times our time) are ratios of neighbours in time.
"""
import argparse
import ctypes
import gc
import importlib.metadata
import json
import resource
import statistics
import sys
import time

import numpy

import favor_library
from implementations import OURS, PEERS

WARM_UP_LENGTH = 256  # loads the packages' code and starts their threads, so that memory is the call's alone


def random_tensors(heads, length):
    generator = numpy.random.default_rng(1)
    shape = (1, heads, length, favor_library.HEAD_DIM)
    return [generator.standard_normal(shape, dtype=numpy.float32) for _ in range(3)]


def status_bytes(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field + ":"))


def first_call(implementation, ours):
    """Runs it once; returns the output, the seconds and the memory."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what the warm-up freed counts again when the call takes it
    before = status_bytes("VmRSS")
    with open("/proc/self/clear_refs", "w") as clear_refs:
        clear_refs.write("5")  # VmHWM starts again from here
    begin = time.perf_counter()
    output = implementation()
    seconds = time.perf_counter() - begin
    memory = status_bytes("VmHWM") - before - (0 if ours else output.nbytes)
    return output, seconds, max(memory, 0)


def limit_memory():
    """A call that wants more than the machine has left fails, instead of taking the machine with it."""
    with open("/proc/meminfo") as lines:
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    limit = status_bytes("VmSize") + int(0.8 * available)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def relative_error(output, reference):
    return float(numpy.linalg.norm(output.astype(numpy.float64) - reference) / numpy.linalg.norm(reference))


def take_turns(peer, ours, threads, runs, seconds):
    """Times of the peer, its ratios to ours, and the peak, from at most `runs` turns in some `seconds` of the clock."""
    clock = time.process_time if threads == 1 else time.perf_counter

    def timed(call):
        begin = clock()
        call()
        return clock() - begin

    times, by_favor, peaks = [], [], []
    started = clock()
    while len(times) < runs and (not times or clock() - started < seconds):
        peaks.append(favor_library.peak_gflops(threads))
        before = timed(ours)
        times.append(timed(peer))
        time.sleep(0.02 if threads > 1 else 0)  # the peer's idle threads spin for a while
        by_favor.append(times[-1] / statistics.mean((before, timed(ours))))
        peaks.append(favor_library.peak_gflops(threads))
    return times, by_favor, peaks


def measure(name, heads, length, threads, runs, seconds):
    kind = {**OURS, **PEERS}[name]
    kind(*random_tensors(heads, WARM_UP_LENGTH), threads)()
    limit_memory()
    tensors = random_tensors(heads, length)
    implementation = kind(*tensors, threads)
    output, first_seconds, memory = first_call(implementation, ours=name in OURS)
    result = {"implementation": name, "title": kind.title, "heads": heads, "length": length, "threads": threads,
              "variant": kind.variant, "first_ms": first_seconds * 1e3, "memory_bytes": memory}
    if name in PEERS:
        result["package"] = f"{kind.package} {importlib.metadata.version(kind.package)}"
    if kind.check:
        reference = numpy.empty_like(tensors[0])
        favor_library.Call(kind.check, *tensors, reference, 1, implementation.projection)()
        result["difference"] = relative_error(output, reference)
        result["tolerance"] = kind.tolerance
    if runs:
        ours = favor_library.Call(kind.variant, *tensors, numpy.empty_like(tensors[0]), threads)
        ours()
        times, by_favor, peaks = take_turns(implementation, ours, threads, runs, seconds)
        peak = statistics.median(peaks)
        result |= {"runs": len(times), "median_ms": statistics.median(times) * 1e3, "best_ms": min(times) * 1e3,
                   "times_favor": statistics.median(by_favor), "peak": peak,
                   "share": ours.flops / statistics.median(times) / 1e9 / peak}
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("implementation", choices=[*OURS, *PEERS])
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--length", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=4, help="of taking turns; with one thread, of CPU time")
    options = parser.parse_args()
    try:
        result = measure(options.implementation, options.heads, options.length, options.threads, options.runs,
                         options.seconds)
    except ImportError as error:
        print(json.dumps({"implementation": options.implementation, "missing": str(error)}))
        return
    except (MemoryError, RuntimeError) as error:
        print(json.dumps({"implementation": options.implementation, "failed": str(error).splitlines()[0][:200]}))
        sys.exit(1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
