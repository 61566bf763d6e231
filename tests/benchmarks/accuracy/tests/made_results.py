"""Results as a run leaves them, small and made up: FAVOR+ fits where logits are flat, the best estimator further."""
import estimators

SPREADS = [0.03, 0.15, 0.5, 1.5]  # one bin of accuracy_bars each
MEAN = {0.03: 0.1, 0.15: 0.3, 0.5: 0.6, 1.5: 0.9}
ERRORS = {estimators.BASELINE: {0.03: 0.05, 0.15: 0.2, 0.5: 0.5, 1.5: 1.0},
          estimators.BEST: {0.03: 0.01, 0.15: 0.05, 0.5: 0.25, 1.5: 0.8}}
NAME = "rxnmapper-0"


def results(best=estimators.BEST):
    spreads = [spread for spread in SPREADS for _ in range(8)]
    both = {estimators.BASELINE: ERRORS[estimators.BASELINE], best: ERRORS[estimators.BEST]}
    row = {"seeds": 2, "worst": 1.0, "worst_by_mean": 1.0, "mean": 0.4}
    rows = [row | {"way": way, "m": m, "scale": scale, "median": 0.3 + scale / 10 - m / 1e4}
            for way in (*both, "trigonometric") for m in (64, 256) for scale in (0.25, 0.5, 1.0)]
    return {
        "machine": {"cpu": "a CPU", "cores": 2, "memory_gb": 24, "os": "Debian", "date": "2026-11-26", "commit": "abc",
                    "load_at_start": 0.1, "command": "./dev bench accuracy", "cpu_target": "AVX2", "threads": 2},
        "quick": False,
        "inputs": [{"name": NAME, "what": "RXNMapper, layer 0", "heads": 32, "length": 356, "head_dim": 32,
                    "spread_low": 0.03, "spread": 0.3, "spread_high": 1.5}],
        "errors": [each | {"inputs": NAME} for each in rows],
        "heads": [{"inputs": NAME, "scale": scale, "way": way, "spread": spreads,
                   "error": [errors[spread] for spread in spreads], "mean": [MEAN[spread] for spread in spreads]}
                  for scale in (0.25, 0.5, 1.0) for way, errors in both.items()],
        "bars": [{"inputs": NAME, "scale": scale, "way": best, "seeds": 12, "favor": 0.3, "best": 0.3 * ratio,
                  "ratio": ratio, "ratio_of_heads": ratio, "favor_by_mean": 1.1, "worst_by_mean": 0.9 + scale / 5}
                 for scale, ratio in ((0.25, 0.15), (0.5, 0.3), (1.0, 0.6))],
        "trade": [{"inputs": NAME, "what": "MiniLM", "head_dim": 32, "scale": each["scale"], "way": each["way"],
                   "m": each["m"], "ms": each["m"] / 10, "times_favor": 1.2, "exact_ms": 90, "error": each["median"],
                   "mean": 0.4} for each in rows],
        "times": [{"head_dim": 32, "length": length, "way": way, "ms": ms, "least_ms": ms, "times_favor": 1,
                   "rounds": 9}
                  for length, of_ways in ((256, (5, 6, 3)), (1024, (20, 24, 48)))
                  for way, ms in zip((*both, "exact"), of_ways)],
        "synthetic": [each | {"head_dim": 64, "length": length} for each in rows for length in (1024, 4096)
                      if each["m"] == 256],
        "causal": [each | {"inputs": NAME, "what": "MiniLM"} for each in rows if each["m"] == 256],
        "paper": [{"way": way, "m": m, "scale": 1.0, "length": 4096, "head_dim": 16, "samples": 15, "mse": mse / m,
                   "median_mse": mse / m, "deviation": 0.1, "mean": 0.5}
                  for way, mse in (("positive, orthogonal", 1), ("positive, iid", 2), ("trigonometric, orthogonal", 8),
                                   ("trigonometric, iid", 9)) for m in (16, 32)],
        "near_zero": [{"way": way, "angle": 1.0, "m": 128, "weight": weight, "error": error, "mean": 0.5 / weight}
                      for way, error in (("positive", 0.2), ("trigonometric", 0.6)) for weight in (0.2, 0.5)],
        "not_served": {"first order": "UNIMPLEMENTED"}, "not_here": {"antiberty": "no network"},
    }
