"""Spearman's correlation of cosine similarities with the gold scores of the STS benchmark.

    python stsb_spearman.py PAIRS.csv VECTORS.npy

PAIRS.csv has rows `sentence 1,sentence 2,score`. VECTORS.npy is [2 * rows, dimensions]: the first sentences of all rows,
then the second ones. all-MiniLM-L6-v2 is published at 0.82032.
"""

import csv
import sys

import numpy as np
from numpy.typing import NDArray


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts + 1) / 2)[inverse]


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def stsb_spearman(scores: NDArray[np.float64], vectors: NDArray[np.float64]) -> float:
    first, second = vectors[: len(scores)], vectors[len(scores) :]
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return spearman((first * second).sum(axis=1) / lengths, scores)


def main() -> None:
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        scores = np.array([float(row[2]) for row in csv.reader(file)])
    print(f"{stsb_spearman(scores, np.load(sys.argv[2]).astype(np.float64)):.5f}")


if __name__ == "__main__":
    main()
