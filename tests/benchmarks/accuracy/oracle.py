"""Exact attention in float64, and how far an answer is from it; tensors [heads, length, dim] of one sequence."""
import numpy

ROWS = 1024  # queries at a time, for the memory of their weights


def exact(queries, keys, values, causal=False):
    """Softmax attention at the default scale, float64 [heads, length, value_dim]."""
    scale = queries.shape[-1] ** -0.5
    output = numpy.empty((*queries.shape[:2], values.shape[-1]))
    for head in range(len(queries)):
        q, k, v = (tensor[head].astype(numpy.float64) for tensor in (queries, keys, values))
        for begin in range(0, len(q), ROWS):
            logits = scale * (q[begin:begin + ROWS] @ k.T)
            if causal:
                later = numpy.arange(len(k)) > numpy.arange(begin, begin + len(logits))[:, None]
                logits[later] = -numpy.inf
            logits -= logits.max(axis=1, keepdims=True)
            weights = numpy.exp(logits, out=logits)
            output[head, begin:begin + ROWS] = (weights @ v) / weights.sum(axis=1, keepdims=True)
    return output


def relative_errors(output, expected):
    """|output - expected| / |expected| (Frobenius) of every head. NaN and infinity count as infinitely wrong."""
    difference = output.astype(numpy.float64) - expected
    errors = numpy.linalg.norm(difference, axis=(1, 2)) / numpy.linalg.norm(expected, axis=(1, 2))
    return numpy.where(numpy.isfinite(errors), errors, numpy.inf)


def mean_of_values(values, causal=False):
    """The answer that looks at no query: the mean of the values seen, [heads, length, value_dim]."""
    values = values.astype(numpy.float64)
    if not causal:
        return numpy.broadcast_to(values.mean(axis=1, keepdims=True), values.shape)
    return numpy.cumsum(values, axis=1) / numpy.arange(1, values.shape[1] + 1)[:, None]


def logit_spread(queries, keys):
    """Standard deviation over keys of the logits of a query, root mean square over queries, of every head."""
    spreads = []
    for q, k in zip(queries.astype(numpy.float64), keys.astype(numpy.float64)):
        covariance = numpy.cov(k.T, bias=True)
        spreads.append(numpy.sqrt(numpy.einsum("ia,ab,ib->i", q, covariance, q).mean() / q.shape[-1]))
    return numpy.array(spreads)
