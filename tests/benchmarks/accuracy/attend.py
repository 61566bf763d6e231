"""What favord answers, for all heads of an input at once, and how long it computed."""
import dataclasses

import numpy
import oracle

REQUEST_BYTES = 48 << 20  # of tensors in one call; favord's own bound is 256 MiB
LONGEST_IN_FLOAT64 = 1024  # beyond, exact answers are favord's, checked on one head
CHECKED = 1e-4  # largest error of those, of float32 against float64


@dataclasses.dataclass
class Answer:
    output: numpy.ndarray  # [heads, length, value_dim]
    compute_ms: float
    degenerate_rows: int
    report: object


def attend(client, inputs, **options):
    """One answer; many heads go in several calls, whose times add up. `statistics` cannot be given then."""
    bytes_of_a_head = 4 * (inputs.queries[0].size + inputs.keys[0].size + inputs.values[0].size)
    at_once = max(1, REQUEST_BYTES // bytes_of_a_head)
    calls = -(-inputs.num_heads // at_once)
    results = []
    for part in numpy.array_split(numpy.arange(inputs.num_heads), calls):
        chosen = inputs.heads(slice(part[0], part[-1] + 1))
        results.append(client.attend(chosen.queries[None], chosen.keys[None], chosen.values[None], **options))
    return Answer(numpy.concatenate([result.output[0] for result in results]),
                  1e3 * sum(result.report.compute_time for result in results),
                  sum(result.report.degenerate_rows for result in results), results[0].report)


class Reference:
    """Exact attention of an input, and what the mean of the values is worth beside it."""

    def __init__(self, client, inputs, causal=False):
        self.inputs, self.causal = inputs, causal
        self.checked = None  # error of favord's exact attention on one head, where it is the reference
        if inputs.length <= LONGEST_IN_FLOAT64:
            self.output = oracle.exact(inputs.queries, inputs.keys, inputs.values, causal)
        else:
            self.output = attend(client, inputs, mode="exact", causal=causal).output
            one = inputs.heads(slice(0, 1))
            truth = oracle.exact(one.queries, one.keys, one.values, causal)
            self.checked = float(oracle.relative_errors(self.output[:1], truth)[0])
            if not self.checked <= CHECKED:
                raise RuntimeError(f"favord's exact attention is {self.checked:.1e} off on {inputs.name}")
        self.mean = oracle.relative_errors(oracle.mean_of_values(inputs.values, causal), self.output)

    def errors(self, output):
        """Relative error of every head."""
        return oracle.relative_errors(output, self.output)


def errors_of(client, reference, way, num_features, seeds, **more):
    """(errors [seeds, heads], milliseconds of each seed, degenerate rows) of a way on the reference's inputs."""
    errors, times, degenerate = [], [], 0
    for seed in seeds if way.random else seeds[:1]:
        answer = attend(client, reference.inputs, causal=reference.causal, **way.arguments(num_features, seed), **more)
        errors.append(reference.errors(answer.output))
        times.append(answer.compute_ms)
        degenerate += answer.degenerate_rows
    return numpy.array(errors), times, degenerate
