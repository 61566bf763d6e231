"""Attention and embeddings from a running favord.

    python quickstart.py [ENDPOINT]
"""

import sys

import numpy as np

import favor


def attention(client: favor.Client) -> None:
    random = np.random.default_rng(0)
    queries, keys, values = (random.standard_normal((1, 8, 2048, 64), np.float32) for _ in range(3))
    exact = client.attend(queries, keys, values, mode="exact")
    for num_features in (64, 256, 1024):
        result = client.attend(queries, keys, values, num_features=num_features)
        error = np.linalg.norm(result.output - exact.output) / np.linalg.norm(exact.output)
        times = f"{result.report.compute_time * 1e3:.0f} ms, exact {exact.report.compute_time * 1e3:.0f} ms"
        print(f"{num_features} features: relative error {error:.2f}, {times}")


def embeddings(client: favor.Client) -> None:
    texts = ["A girl is styling her hair.", "A girl is brushing her hair.", "A plane is taking off."]
    vectors = client.embed(texts, normalize=True)
    print("cosines with the first text:", (vectors @ vectors[0]).round(3))


def main() -> None:
    endpoint = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
    with favor.Client(endpoint, deadline=60) as client:
        info = client.info()
        print(f"favord {info.version} on {info.cpu_target}, {info.num_compute_threads} threads")
        attention(client)
        try:
            models = client.models()
        except favor.UnimplementedError:
            models = []
        print("models:", ", ".join(model.name for model in models) or "none")
        if any(model.has_tokenizer for model in models):
            embeddings(client)


if __name__ == "__main__":
    try:
        main()
    except favor.FavorError as error:
        sys.exit(f"quickstart: {error}")
