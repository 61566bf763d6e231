"""How others embed token ids. A new peer is a class here and a line in PEERS.

Each is made of a model's folder, a folder to work in and a number of threads. `settings` are what a user would tune: the
benchmark times them all (`quick_settings` in a quick run) and keeps the best for each workload. A call takes lists of ids and one of the settings and
returns the vectors [inputs, dimensions] in their order. Sorting by length and padding are part of a call, as they are
for a user. Packages are imported where they are used.
"""
import concurrent.futures
import contextlib
import io
import pathlib

import numpy


def sorted_batches(inputs, is_full):
    """Indices of the inputs, longest first, in batches; `is_full(count, longest)` says when one takes no more."""
    batch = []
    for index in sorted(range(len(inputs)), key=lambda i: -len(inputs[i])):
        if batch and is_full(len(batch), len(inputs[batch[0]])):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def padded(inputs, batch):
    """Ids and mask of a batch, [inputs, longest] of int64."""
    ids = numpy.zeros((len(batch), max(len(inputs[i]) for i in batch)), numpy.int64)
    mask = numpy.zeros_like(ids)
    for row, index in enumerate(batch):
        ids[row, :len(inputs[index])] = inputs[index]
        mask[row, :len(inputs[index])] = 1
    return ids, mask


class Batched:
    """What runs padded batches of a number of inputs."""

    settings = [{"batch": size} for size in (8, 16, 32, 64)]
    quick_settings = [settings[0], settings[2]]

    def __call__(self, inputs, setting):
        vectors = [None] * len(inputs)
        for batch in sorted_batches(inputs, lambda count, _: count >= setting["batch"]):
            for index, vector in zip(batch, self.run(*padded(inputs, batch))):
                vectors[index] = vector
        return numpy.stack(vectors)


def torch_encoder(model, attention):
    """transformers' BERT with sentence-transformers' mean pooling and normalisation."""
    import torch
    import transformers

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = transformers.BertModel.from_pretrained(
                model, add_pooling_layer=False, attn_implementation=attention)

        def forward(self, ids, mask):
            states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).to(states.dtype)
            return torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)

    return Encoder().eval()


class Transformers(Batched):
    title, package = "PyTorch, transformers", "transformers"

    def __init__(self, model, work, threads):
        import torch

        torch.set_num_threads(threads)
        self._encoder = torch_encoder(model, "sdpa")

    def run(self, ids, mask):
        import torch

        with torch.inference_mode():
            return self._encoder(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()


class OnnxRuntime(Batched):
    """The graph with BERT's operators fused (attention, GELU, layer norm), as onnxruntime's own optimiser makes it."""

    title, package = "onnxruntime", "onnxruntime"

    def __init__(self, model, work, threads):
        import onnxruntime

        path = pathlib.Path(work) / "encoder.onnx"
        if not path.exists():
            self._export(model, path)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    @staticmethod
    def _export(model, path):
        import torch
        from onnxruntime.transformers import optimizer

        encoder = torch_encoder(model, "eager")  # the pattern that the optimiser knows
        plain = path.with_suffix(".plain")
        ids = torch.randint(1000, 2000, (2, 16))
        mask = torch.ones_like(ids)
        mask[0, 9:] = 0
        sizes = {0: "inputs", 1: "tokens"}
        torch.onnx.export(encoder, (ids, mask), str(plain), input_names=["ids", "mask"], output_names=["vectors"],
                          dynamic_axes={"ids": sizes, "mask": sizes, "vectors": {0: "inputs"}}, opset_version=17,
                          dynamo=False)
        config = encoder.bert.config
        fused = optimizer.optimize_model(str(plain), model_type="bert", num_heads=config.num_attention_heads,
                                         hidden_size=config.hidden_size, opt_level=1)
        if fused.get_fused_operator_statistics()["Attention"] != config.num_hidden_layers:
            raise RuntimeError("onnxruntime's optimiser did not find the attention of every layer")
        fused.save_model_to_file(str(path))

    def run(self, ids, mask):
        return self._session.run(None, {"ids": ids, "mask": mask})[0]


class CTranslate2:
    """Batches by padded tokens; it drops the padding itself around its matrix products."""

    title, package = "CTranslate2", "ctranslate2"
    settings = [{"inter": inter, "intra": intra, "tokens": tokens}
                for tokens in (2048, 512, 8192) for inter, intra in ((1, 2), (2, 1))]
    quick_settings = settings[:4]

    def __init__(self, model, work, threads):
        import ctranslate2
        from ctranslate2.converters import TransformersConverter

        folder = pathlib.Path(work) / "ctranslate2"
        if not folder.exists():
            with contextlib.redirect_stdout(io.StringIO()):
                TransformersConverter(str(model)).convert(str(folder))
        self._load = lambda inter, intra: ctranslate2.Encoder(
            str(folder), device="cpu", compute_type="float32", inter_threads=inter, intra_threads=intra)
        if threads == 1:
            self.settings = self.quick_settings = [{"inter": 1, "intra": 1, "tokens": size} for size in (2048, 512, 8192)]
        self._encoders = {}
        self._pool = concurrent.futures.ThreadPoolExecutor(threads)

    def __call__(self, inputs, setting):
        threads = (setting["inter"], setting["intra"])
        if threads not in self._encoders:
            self._encoders[threads] = self._load(*threads)
        encoder = self._encoders[threads]
        batches = list(sorted_batches(inputs, lambda count, longest: (count + 1) * longest > setting["tokens"]))

        def run(batch):
            return numpy.asarray(encoder.forward_batch([inputs[i] for i in batch]).last_hidden_state)

        vectors = [None] * len(inputs)
        answers = map(run, batches) if setting["inter"] == 1 else self._pool.map(run, batches)
        for batch, states in zip(batches, answers):
            for index, rows in zip(batch, states):
                vector = rows[:len(inputs[index])].mean(0)
                vectors[index] = vector / numpy.linalg.norm(vector)
        return numpy.stack(vectors)


class PerformerPytorch:
    """A PerformerLM of random weights, one input at a time; its checkpoint lies in the folder to work in."""

    title, package = "performer-pytorch", "performer-pytorch"
    settings = quick_settings = [{}]
    CHECKPOINT = "performer.pt"

    def __init__(self, kwargs, work, threads):
        import json

        import torch
        from performer_pytorch import PerformerLM

        torch.set_num_threads(threads)
        torch.manual_seed(1)
        self._model = PerformerLM(**json.loads(kwargs)).eval()
        torch.save(self._model.state_dict(), pathlib.Path(work) / self.CHECKPOINT)

    def __call__(self, inputs, setting):
        import torch

        with torch.inference_mode():
            return numpy.stack([self._model(torch.tensor([ids]), return_encodings=True)[0].mean(0).numpy()
                                for ids in inputs])


PEERS = {"transformers": Transformers, "onnxruntime": OnnxRuntime, "ctranslate2": CTranslate2,
         "performer": PerformerPytorch}
