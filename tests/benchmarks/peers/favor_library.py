"""favord's library and the FMA peak, in this process: build/release/benchmarks/lib/libfavor_bench.so.

Ratios need neighbours in time, so the peers' process runs ours and the peak between their runs. See attention_c.h.
"""
import ctypes
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
LIBRARY = REPOSITORY / "build/release/benchmarks/lib/libfavor_bench.so"

HEAD_DIM = 64
NUM_FEATURES = 256


def _load():
    library = ctypes.CDLL(str(LIBRARY))
    library.favor_bench_peak_gflops.restype = ctypes.c_double
    library.favor_bench_peak_gflops.argtypes = [ctypes.c_int, ctypes.c_double]
    for name in ("favor_bench_peak_target", "favor_bench_cpu_target"):
        getattr(library, name).restype = ctypes.c_char_p
    library.favor_bench_prepare.restype = ctypes.c_void_p
    library.favor_bench_prepare.argtypes = [ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int,
                                            *[ctypes.c_void_p] * 5]
    library.favor_bench_run.restype = ctypes.c_char_p
    library.favor_bench_flops.restype = ctypes.c_double
    for name in ("favor_bench_run", "favor_bench_flops", "favor_bench_release"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    return library


_library = _load()


def peak_gflops(threads, milliseconds=2.0):
    """The multiply-add peak of `threads` threads, measured now."""
    return _library.favor_bench_peak_gflops(threads, milliseconds)


def cpu_target():
    return _library.favor_bench_cpu_target().decode()


class Call:
    """One attention call of a variant of attention_call.cc on float32 arrays [1, heads, length, 64], run by calling it.

    Returns `output`, which is the same array every time.
    """

    def __init__(self, variant, queries, keys, values, output, threads, projection=None):
        self._keep = (queries, keys, values, output, projection)
        self._output = output
        _, heads, length, dim = queries.shape
        assert dim == HEAD_DIM
        assert all(array.flags.c_contiguous and array.dtype == "float32" for array in self._keep[:4])
        self._call = _library.favor_bench_prepare(
            variant.encode(), heads, length, threads, queries.ctypes.data, keys.ctypes.data, values.ctypes.data,
            None if projection is None else projection.ctypes.data, output.ctypes.data)
        if not self._call:
            raise ValueError(f"favord has no variant {variant}")

    def __call__(self):
        error = _library.favor_bench_run(self._call)
        if error is not None:
            raise RuntimeError(error.decode())
        return self._output

    @property
    def flops(self):
        return _library.favor_bench_flops(self._call)

    def __del__(self):
        if getattr(self, "_call", None):
            _library.favor_bench_release(self._call)
