"""Answers cases of test/torch-training.test.ts and test/torch-workloads.test.ts with what PyTorch computes.

Tensors travel in safetensors files, which are read and written here without any package, by the
format's description alone.
"""

import json
import os
import struct
import sys

import numpy as np
import torch
from torch import nn, optim  # noqa: F401  (names that cases use)

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "bench", "peers"))
from torch_models import TRAININGS  # noqa: E402

torch.set_num_threads(1)

DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "I64": np.int64,
    "I32": np.int32,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


def load(path):
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    begin = 8 + length
    out = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        start, end = info["data_offsets"]
        assert (begin + start) % np.dtype(DTYPES[info["dtype"]]).itemsize == 0, "not aligned"
        raw = np.frombuffer(data[begin + start : begin + end], dtype=DTYPES[info["dtype"]])
        out[name] = torch.from_numpy(raw.reshape(info["shape"]).copy())
    return out


def save(path, tensors):
    names = {np.dtype(v): k for k, v in DTYPES.items()}
    header, parts, at = {}, [], 0
    for name, t in tensors.items():
        a = np.ascontiguousarray(t.detach().numpy())
        header[name] = {
            "dtype": names[a.dtype],
            "shape": list(t.shape),
            "data_offsets": [at, at + a.nbytes],
        }
        parts.append(a.tobytes())
        at += a.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


class Digits(nn.Module):
    """The network of examples/mnist.ts, for smaller images."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(4 * 3 * 3, 5)

    def forward(self, x):
        return self.fc1(self.pool(torch.relu(self.conv1(x))).flatten(1))


def split(given):
    prefix = lambda p: {k[len(p) :]: v for k, v in given.items() if k.startswith(p)}
    return prefix("state."), prefix("input.")


def tensors(tree):
    return [tree] if torch.is_tensor(tree) else [t for part in tree for t in tensors(part)]


def layer(case, folder):
    """One call of a layer, with the gradients of the sum of the squares of its output."""
    state, inputs = split(load(os.path.join(folder, case["file"])))
    module = eval(case["code"])
    wide = any(t.dtype == torch.float64 for t in [*state.values(), *inputs.values()])
    module = module.double() if wide else module
    module.load_state_dict(state, strict=True)
    module.train(case["train"])
    args = [inputs[str(i)] for i in range(len(inputs))]
    # A state of several tensors is one argument.
    y = module(args[0], tuple(args[1:])) if len(args) > 2 else module(*args)
    y = y if torch.is_tensor(y) else torch.cat([t.flatten() for t in tensors(y)])
    out = {"y": y}
    if any(True for _ in module.parameters()):
        (y * y).sum().backward()
        out |= {f"grad.{k}": p.grad for k, p in module.named_parameters()}
    save(os.path.join(folder, case["answer"]), out | {f"state.{k}": v for k, v in module.state_dict().items()})
    return {"names": list(module.state_dict())}


def training(case, folder):
    """Steps of training; gives losses and rates, and saves the parameters afterwards."""
    state, inputs = split(load(os.path.join(folder, case["file"])))
    net = eval(case["code"])
    if next(iter(state.values())).dtype == torch.float64:
        net = net.double()
    net.load_state_dict(state, strict=True)
    optimizer = eval(case["optimizer"])
    schedule = eval(case["schedule"]) if "schedule" in case else None
    losses, rates = [], []
    for step in range(case["steps"]):
        optimizer.zero_grad()
        at = step % inputs["x"].shape[0]
        loss = nn.functional.cross_entropy(net(inputs["x"][at]), inputs["y"][at].long())
        loss.backward()
        optimizer.step()
        if schedule:
            schedule.step()
        losses.append(loss.item())
        rates.append(optimizer.param_groups[0]["lr"])
    save(os.path.join(folder, case["answer"]), dict(net.state_dict()))
    return {"losses": losses, "rates": rates}


def workload(case, folder):
    """The losses of a workload's first steps, on one batch and from given weights."""
    state, inputs = split(load(os.path.join(folder, case["file"])))
    network, loss, optimizer = TRAININGS[case["network"]]
    net = network(**case["sizes"])
    net.load_state_dict(state, strict=True)
    batch = [inputs[str(i)] for i in range(len(inputs))]
    batch = [x if x.is_floating_point() else x.long() for x in batch]
    trainer = optimizer(net.parameters())
    losses = []
    for _ in range(case["steps"]):
        trainer.zero_grad()
        value = loss(net, *batch)
        value.backward()
        trainer.step()
        losses.append(value.item())
    return {"losses": losses}


def main():
    request = json.load(sys.stdin)
    kinds = {"layer": layer, "training": training, "workload": workload}
    json.dump([kinds[c["kind"]](c, request["folder"]) for c in request["cases"]], sys.stdout)


main()
