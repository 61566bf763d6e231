"""What the study holds estimators to, and what it tells a user, read off results.json."""
import estimators
import numpy
from targets import Target

M = 256
MEAN = "mean of V"
# At a factor of queries and keys: the largest share of FAVOR+'s error that the best may have, median over heads.
SHARES = {0.25: 0.20, 0.5: 0.25, 1.0: 0.65}
BY_MEAN = 1.02  # of any head
TIMES = 1.25  # of FAVOR+'s time at L = 4096, 8 heads

# What the page calls by which name.
FITS = 0.1  # relative error at most
COARSE = 0.5  # of the error of the mean of the values
# Edges of the spread of logits by which heads are put together.
EDGES = [0, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.7, 3.0, 5.0, float("inf")]
FEWEST = 6  # heads in a bin


def compared(results):
    """Rows of heads on which both FAVOR+ and the best were measured: all of them, unless a run was stopped."""
    ways = {}
    for row in results["heads"]:
        ways.setdefault((row["inputs"], row["scale"]), set()).add(row["way"])
    return [row for row in results["heads"] if len(ways[row["inputs"], row["scale"]]) > 1]


def pooled(results, scale):
    """The best's median error over all real heads, by that of FAVOR+; None where nothing was measured."""
    rows = [row for row in compared(results) if row["scale"] == scale]
    errors, baseline = ([value for row in rows if (row["way"] == estimators.BASELINE) == is_baseline
                         for value in row["error"]] for is_baseline in (False, True))
    return float(numpy.median(errors) / numpy.median(baseline)) if errors and baseline else None


def all_targets(results):
    best = best_name(results)
    titles = {row["name"]: row["what"] for row in results["inputs"]}

    def largest(rows, key):
        row = max(rows, key=lambda row: row[key], default=None)
        return (titles[row["inputs"]], row["scale"], row[key]) if row else ("", 0, None)

    for scale, share in SHARES.items():
        yield Target(f"error of {best} by that of FAVOR+, median over all real heads, q and k × {scale:g}", share,
                     pooled(results, scale), at_most=True)
        where, _, value = largest([row for row in results["bars"] if row["scale"] == scale], "ratio")
        yield Target(f"the same, the worst of the inputs below ({where})", share, value, at_most=True)
    where, scale, value = largest(results["bars"], "worst_by_mean")
    yield Target(f"error of {best} by that of the mean of V, worst of all heads ({where}, × {scale:g})", BY_MEAN, value,
                 at_most=True)
    for row in results["trade"]:
        if (row["way"], row["m"], row["scale"]) == (best, M, 1.0):
            yield Target(f"time of {best} by that of FAVOR+, L = 4096, H = 8, d = {row['head_dim']}", TIMES,
                         row["times_favor"], at_most=True)


def best_name(results):
    return next((row["way"] for row in results["bars"]), estimators.BEST)


def by_spread(results):
    """Heads of all real tensors by the spread of their logits: [{low, high, spread, heads, errors}], errors being
    {way: (10%, median, 90%)}, the mean of the values among them."""
    heads = {}
    for row in compared(results):
        for spread, error, mean in zip(row["spread"], row["error"], row["mean"]):
            heads.setdefault(row["way"], []).append((spread, error))
            if row["way"] == estimators.BASELINE:
                heads.setdefault(MEAN, []).append((spread, mean))
    made = []
    for low, high in zip(EDGES, EDGES[1:]):
        inside = {way: [error for spread, error in of_way if low <= spread < high] for way, of_way in heads.items()}
        if len(inside.get(MEAN, [])) < FEWEST:
            continue
        spreads = [spread for spread, _ in heads[MEAN] if low <= spread < high]
        made.append({"low": low, "high": high, "spread": float(numpy.median(spreads)), "heads": len(spreads),
                     "errors": {way: tuple(float(x) for x in numpy.quantile(errors, (0.1, 0.5, 0.9)))
                                for way, errors in inside.items() if errors}})
    return made


def verdict(error, mean):
    """What an error is worth: "fits", "coarse" or "no"."""
    return "fits" if error <= FITS else "coarse" if error <= COARSE * mean else "no"


def fits_until(results, way, words=("fits",)):
    """The spread up to which a way deserves one of these verdicts in every bin, or 0."""
    until = 0
    for row in by_spread(results):
        if way not in row["errors"] or verdict(row["errors"][way][1], row["errors"][MEAN][1]) not in words:
            break
        until = row["high"]
    return until


def crossing(results, way, head_dim):
    """The shortest measured length at which a way takes less time than exact attention, or None."""
    rows = {(row["length"], row["way"]): row["ms"] for row in results["times"] if row["head_dim"] == head_dim}
    lengths = sorted({length for length, name in rows if name == way})
    return next((length for length in lengths if rows[length, way] < rows.get((length, "exact"), 0)), None)
