"""Attention as other packages compute it, on the inputs favord gets. A new peer is a class here and a line in PEERS.

Each class prepares one call on float32 arrays [1, heads, length, 64] and runs it when called, returning the output.
`variant` is the variant of ours that computes the same kind of attention. `check` is the one that computes the very
same function, with the peer's `projection` where it has one, and `tolerance` how far they may differ.
Packages are imported where they are used: one that is missing takes only its own rows out of the table.
"""
import contextlib
import io

import numpy

from favor_library import HEAD_DIM, NUM_FEATURES, Call


class Favor:
    """Ours, through the same door as the peers."""

    title = "favord"
    check = None
    projection = None

    def __init__(self, queries, keys, values, threads):
        self._call = Call(self.variant, queries, keys, values, numpy.ones_like(queries), threads)

    def __call__(self):
        return self._call()


class FavorBidirectional(Favor):
    variant = "bidirectional"


class FavorCausal(Favor):
    variant = "causal"


class FavorExact(Favor):
    variant = "exact"


class Torch:
    """What the PyTorch peers share: tensors without a copy, no gradients, the number of threads."""

    check = None
    tolerance = None
    projection = None
    package = "torch"

    def __init__(self, queries, keys, values, threads):
        import torch

        torch.manual_seed(1)
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.inputs = [torch.from_numpy(array) for array in (queries, keys, values)]
        self.prepare(*queries.shape[1:3])

    def prepare(self, heads, length):
        pass


class TorchExact(Torch):
    title = "PyTorch scaled_dot_product_attention"
    variant = check = "exact"
    tolerance = 1e-5  # float32 rounding of both

    def __call__(self):
        import torch

        return torch.nn.functional.scaled_dot_product_attention(*self.inputs).numpy()


class PerformerBidirectional(Torch):
    title = "performer-pytorch, bidirectional"
    package = "performer-pytorch"
    variant, check = "bidirectional", "bidirectional_parity"
    tolerance = 1e-5
    causal = False

    def prepare(self, heads, length):
        from performer_pytorch import FastAttention

        with contextlib.redirect_stdout(io.StringIO()):  # it mourns the CUDA code
            self.attention = FastAttention(HEAD_DIM, nb_features=NUM_FEATURES, causal=self.causal)
        self.projection = numpy.ascontiguousarray(self.attention.projection_matrix.numpy())

    def __call__(self):
        return self.attention(*self.inputs).numpy()


class PerformerCausal(PerformerBidirectional):
    title = "performer-pytorch, causal (its CPU path)"
    variant, check = "causal", "causal_parity"
    tolerance = 1e-4  # its plain running sums drift
    causal = True

    def prepare(self, heads, length):
        from performer_pytorch import performer_pytorch

        super().prepare(heads, length)
        # Whether or not a CUDA build of fast-transformers happens to be here.
        self.attention.causal_linear_fn = performer_pytorch.causal_linear_attention_noncuda


class FastTransformersCausal(PerformerCausal):
    """performer-pytorch's features and fast-transformers' causal product, as performer-pytorch joins them on a GPU."""

    title = "fast-transformers' causal product, plus features"
    package = "pytorch-fast-transformers"

    def prepare(self, heads, length):
        import fast_transformers.causal_product  # noqa: F401  (here or not?)
        from performer_pytorch import performer_pytorch

        super().prepare(heads, length)
        self.attention.causal_linear_fn = performer_pytorch.causal_linear_attention


class Clustered(Torch):
    title = "fast-transformers clustered attention (100 clusters)"
    package = "pytorch-fast-transformers"
    variant = "bidirectional"
    layer, options = "ClusteredAttention", {}

    def prepare(self, heads, length):
        import fast_transformers.attention
        from fast_transformers.masking import FullMask, LengthMask
        import torch

        self.attention = getattr(fast_transformers.attention, self.layer)(clusters=100, **self.options).eval()
        # [batch, length, heads, dim], as it wants them.
        self.inputs = [tensor.transpose(1, 2).contiguous() for tensor in self.inputs]
        lengths = LengthMask(torch.tensor([length]))
        self.masks = (FullMask(length), lengths, lengths)

    def __call__(self):
        return self.attention(*self.inputs, *self.masks).numpy()


class ImprovedClustered(Clustered):
    title = "fast-transformers improved clustered attention (100 clusters, top 32)"
    layer, options = "ImprovedClusteredAttention", {"topk": 32}


class Linformer(Torch):
    """Its self-attention layer without the linear maps around attention, which none of the others has."""

    title = "linformer (k = 256)"
    package = "linformer"
    variant = "bidirectional"

    def prepare(self, heads, length):
        from linformer import LinformerSelfAttention
        import torch

        self.attention = LinformerSelfAttention(heads * HEAD_DIM, seq_len=length, k=256, heads=heads).eval()
        for name in ("to_q", "to_k", "to_v", "to_out"):
            setattr(self.attention, name, torch.nn.Identity())
        self.inputs = self.inputs[0].transpose(1, 2).reshape(1, length, heads * HEAD_DIM)

    def __call__(self):
        return self.attention(self.inputs).numpy()


class Reformer(Torch):
    title = "reformer-pytorch LSH attention (4 hashes, buckets of 64)"
    package = "reformer-pytorch"
    variant = "bidirectional"

    def prepare(self, heads, length):
        from reformer_pytorch.reformer_pytorch import LSHAttention

        self.attention = LSHAttention(bucket_size=64, n_hashes=4).eval()
        self.inputs = [tensor[0] for tensor in (self.inputs[0], self.inputs[2])]  # queries are keys; heads as a batch

    def __call__(self):
        return self.attention(*self.inputs)[0].numpy()


OURS = {"favor_bidirectional": FavorBidirectional, "favor_causal": FavorCausal, "favor_exact": FavorExact}
PEERS = {
    "performer_bidirectional": PerformerBidirectional,
    "performer_causal": PerformerCausal,
    "fast_transformers_causal": FastTransformersCausal,
    "torch_exact": TorchExact,
    "linformer": Linformer,
    "reformer": Reformer,
    "clustered": Clustered,
    "improved_clustered": ImprovedClustered,
}
