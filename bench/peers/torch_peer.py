"""PyTorch as a peer: `python torch_peer.py eager|compile THREADS`."""

import sys

import torch
from serve import serve
from torch_models import TRAININGS, resnet18

mode, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
torch.manual_seed(0)
compiled = torch.compile if mode == "compile" else lambda f: f


def operation(f, *x):
    def make():
        tensors = [t() for t in x]
        call = compiled(f)
        return lambda: call(*tensors)

    return make


def training(kind, *data):
    def make():
        network, loss, optimizer = TRAININGS[kind]
        model = network()
        trainer = optimizer(model.parameters())
        batch = [d() for d in data]
        forward = compiled(lambda *xs: loss(model, *xs))

        def step():
            trainer.zero_grad()
            value = forward(*batch)
            value.backward()
            trainer.step()
            return value.item()

        return step

    return make


def infer_resnet():
    model = compiled(resnet18().eval())
    x = torch.rand(1, 3, 32, 32)

    def step():
        with torch.inference_mode():
            model(x)

    return step


def chain(x):
    y = torch.relu(x * 2 + 1)
    y = torch.exp(-y)
    y = y / (y + 1)
    return torch.tanh(y) * x - 0.5


ones = lambda *s: lambda: torch.ones(*s)
rand = lambda *s: lambda: torch.rand(*s)
randn = lambda *s: lambda: torch.randn(*s)
ints = lambda below, *s: lambda: torch.randint(below, s)
matmul = lambda n: operation(torch.matmul, randn(n, n), randn(n, n))

serve(
    torch.__version__,
    {
        "add_1": operation(torch.add, ones(1), ones(1)),
        "chain_1m": operation(chain, randn(1 << 20)),
        "softmax_4096x1000": operation(lambda x: torch.softmax(x, -1), randn(4096, 1000)),
        "sum_rows_4096x4096": operation(lambda x: x.sum(0), randn(4096, 4096)),
        "matmul_256": matmul(256),
        "matmul_1024": matmul(1024),
        "matmul_2048": matmul(2048),
        "mlp_b32": training("mlp", rand(32, 784), ints(10, 32)),
        "mlp_b512": training("mlp", rand(512, 784), ints(10, 512)),
        "mnist_cnn_b32": training("mnist_cnn", rand(32, 1, 28, 28), ints(10, 32)),
        "cifar_cnn_b64": training("cifar_cnn", rand(64, 3, 32, 32), ints(10, 64)),
        "resnet18_cifar_b16": training("resnet18", rand(16, 3, 32, 32), ints(10, 16)),
        "resnet18_cifar_infer_b1": infer_resnet,
        "lstm_b32": training("lstm", rand(32, 100, 1), rand(32, 1)),
        "gpt_b8": training("gpt", ints(65, 8, 128), ints(65, 8, 128)),
        "embedding_bag_two_tower_b4096": training("two_tower", ints(943, 4096), ints(1682, 4096)),
    },
)
