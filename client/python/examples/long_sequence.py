"""A long sequence through running favords: chunk by chunk, resumed from a file, and folded in parts.

    python long_sequence.py [ENDPOINT ...]

Several endpoints are replicas: kill one while this runs, and see it go on.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import favor

LENGTH, CHUNK = 65_536, 2_048


def tensors(begin: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries, keys and values of a chunk, as if they were just read or computed."""
    random = np.random.default_rng(begin)
    queries, keys, values = (random.standard_normal((1, 8, CHUNK, 64), np.float32) for _ in range(3))
    return queries, keys, values


def chunks(begin: int = 0, end: int = LENGTH) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    return (tensors(at) for at in range(begin, end, CHUNK))


def over_replicas(clients: list[favor.Client]) -> np.ndarray:
    """Causal attention; what a server that dies had under way is done by the next one. Returns the last output."""
    options = favor.ResumeOptions(on_break=lambda why: print("  went on after", why))
    stream = favor.ResumingStream(clients, chunks(), resume=options, causal=True)
    for answer in stream:
        output = answer.output
    print(f"{LENGTH} tokens, {stream.num_resumes} breaks, {stream.report.compute_time:.1f} s of compute")
    return output


def in_two_sittings(client: favor.Client) -> np.ndarray:
    """The same, stopped half way with nothing kept but a state."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "half.state"
        for answer in client.attend_stream([*chunks(0, LENGTH // 2), favor.GET_STATE], causal=True):
            if answer.state is not None:
                answer.state.save(path)
        state = favor.AttentionState.load(path)
        print(f"state of {state.num_keys[0]} tokens: {path.stat().st_size / 1e6:.1f} MB")
        for answer in client.attend_stream(chunks(LENGTH // 2), state=state):
            output = answer.output
    return output


def in_parts(clients: list[favor.Client]) -> None:
    """Bidirectional: each server folds some of the keys, any of them reads the whole."""
    states = [
        clients[i % len(clients)].fold(keys, values) for i, (_, keys, values) in enumerate(chunks(0, LENGTH // 4))
    ]
    whole = clients[0].merge(states)
    result = clients[-1].read(tensors(0)[0], whole)
    print(f"{result.output.shape[2]} queries read a state of {whole.num_keys[0]} keys")


def main() -> None:
    clients = [favor.Client(endpoint) for endpoint in sys.argv[1:] or ["127.0.0.1:50051"]]
    last = over_replicas(clients)
    print("the same bits in two sittings:", np.array_equal(last, in_two_sittings(clients[0])))
    in_parts(clients)
    for client in clients:
        client.close()


if __name__ == "__main__":
    try:
        main()
    except favor.FavorError as error:
        sys.exit(f"long_sequence: {error}")
