"""JAX as a peer: `python jax_peer.py THREADS`.

A training step (forward, gradient, optimizer) is one jitted function whose state is donated. Images are
NHWC, the layout that JAX is faster with on a CPU; optimizers are written out, with PyTorch's defaults.
"""

import os
import sys

cores = sorted(os.sched_getaffinity(0))
os.sched_setaffinity(0, cores[: int(sys.argv[1])])  # the only way to tell XLA how many threads to use
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from serve import serve

random = np.random.default_rng(0)
array = lambda x: jnp.asarray(x, jnp.float32)
rand = lambda *shape: array(random.random(shape))
randn = lambda *shape: array(random.standard_normal(shape))
ints = lambda below, *shape: jnp.asarray(random.integers(0, below, shape), jnp.int32)


# ---- layers: parameters, and what they compute ----------------------------------------------------


def uniform(inputs, *shape):
    """PyTorch's start: U(-1/√n, 1/√n) for n inputs of one output."""
    bound = inputs**-0.5
    return array(random.uniform(-bound, bound, shape))


def linear(inputs, outputs):
    return {"w": uniform(inputs, inputs, outputs), "b": uniform(inputs, outputs)}


def conv(inputs, outputs, size, bias=True):
    fan_in = inputs * size * size
    weight = {"w": uniform(fan_in, size, size, inputs, outputs)}
    return weight | ({"b": uniform(fan_in, outputs)} if bias else {})


def norm(features):
    return {"w": jnp.ones(features), "b": jnp.zeros(features)}


def apply_linear(p, x):
    return x @ p["w"] + p["b"]


def apply_conv(p, x, stride=1, padding=0):
    y = lax.conv_general_dilated(
        *(x, p["w"], (stride, stride), [(padding, padding)] * 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y + p["b"] if "b" in p else y


def max_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def layer_norm(p, x):
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * p["w"] + p["b"]


def batch_norm(p, averages, x, train):
    """The normalized images, and the running averages after them."""
    if train:
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        n = x.size / x.shape[-1]
        blend = lambda old, new: 0.9 * old + 0.1 * new
        averages = {
            "mean": blend(averages["mean"], mean),
            "var": blend(averages["var"], variance * n / (n - 1)),
        }
    else:
        mean, variance = averages["mean"], averages["var"]
    return (x - mean) * lax.rsqrt(variance + 1e-5) * p["w"] + p["b"], averages


def cross_entropy(logits, labels):
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1)
    return -chosen.mean()


# ---- optimizers: the state at first, and one update -----------------------------------------------


def sgd(lr, momentum):
    def update(params, grads, velocity):
        velocity = jax.tree.map(lambda v, g: momentum * v + g, velocity, grads)
        return jax.tree.map(lambda p, v: p - lr * v, params, velocity), velocity

    return lambda params: jax.tree.map(jnp.zeros_like, params), update


def adam(lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0):
    """Adam, or AdamW when weights decay."""

    def start(params):
        zeros = lambda: jax.tree.map(jnp.zeros_like, params)
        return zeros(), zeros(), jnp.zeros((), jnp.int32)

    def update(params, grads, state):
        m, v, t = state
        t = t + 1
        m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, grads)
        v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, grads)
        size = lr / (1 - beta1**t)
        correction = jnp.sqrt(1 - beta2**t)
        move = lambda p, m, v: p * (1 - lr * decay) - size * m / (jnp.sqrt(v) / correction + eps)
        return jax.tree.map(move, params, m, v), (m, v, t)

    return start, update


# ---- the two kinds of workloads -------------------------------------------------------------------


def operation(f, *x):
    def make():
        tensors = [t() for t in x]
        call = jax.jit(f)

        def step():
            call(*tensors).block_until_ready()

        return step

    return make


def training(model, optimizer, *data):
    """`model` makes parameters, other state, and the loss: (params, state, key, *batch) to both."""

    def make():
        params, state, loss = model()
        start, update = optimizer
        batch = [d() for d in data]

        @partial(jax.jit, donate_argnums=0)
        def train(held, *batch):
            params, state, moments, key = held
            key, now = jax.random.split(key)
            gradient = jax.value_and_grad(loss, has_aux=True)
            (value, state), grads = gradient(params, state, now, *batch)
            params, moments = update(params, grads, moments)
            return value, (params, state, moments, key)

        held = [(params, state, start(params), jax.random.key(0))]

        def step():
            value, held[0] = train(held[0], *batch)
            jax.block_until_ready(held[0])
            return float(value)

        return step

    return make


# ---- networks -------------------------------------------------------------------------------------


def mlp():
    def loss(p, state, key, x, y):
        h = jax.nn.relu(apply_linear(p["hidden"], x))
        kept = jax.random.bernoulli(key, 0.8, h.shape)
        return cross_entropy(apply_linear(p["out"], jnp.where(kept, h / 0.8, 0)), y), state

    return {"hidden": linear(784, 128), "out": linear(128, 10)}, (), loss


def mnist_cnn():
    def loss(p, state, key, x, y):
        h = max_pool(jax.nn.relu(apply_conv(p["conv"], x)))
        return cross_entropy(apply_linear(p["out"], h.reshape(len(x), -1)), y), state

    return {"conv": conv(1, 32, 3), "out": linear(32 * 13 * 13, 10)}, (), loss


def cifar_cnn():
    def loss(p, state, key, x, y):
        h = max_pool(jax.nn.relu(apply_conv(p["conv1"], x)))
        h = max_pool(jax.nn.relu(apply_conv(p["conv2"], h)))
        h = jax.nn.relu(apply_conv(p["conv3"], h)).reshape(len(x), -1)
        return cross_entropy(apply_linear(p["out"], jax.nn.relu(apply_linear(p["hidden"], h))), y), state

    params = {
        **{"conv1": conv(3, 32, 3), "conv2": conv(32, 64, 3), "conv3": conv(64, 64, 3)},
        **{"hidden": linear(1024, 64), "out": linear(64, 10)},
    }
    return params, (), loss


RESNET_BLOCKS = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1)]
RESNET_BLOCKS += [(128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)]


def resnet_state():
    """Parameters, and running averages in the same places."""

    def unit(inputs, outputs, size):
        return {"conv": conv(inputs, outputs, size, bias=False), "norm": norm(outputs)}

    def block(inputs, outputs, stride):
        units = {"first": unit(inputs, outputs, 3), "second": unit(outputs, outputs, 3)}
        return units | ({} if stride == 1 else {"shortcut": unit(inputs, outputs, 1)})

    def averages(units):
        return {k: {"mean": u["norm"]["b"], "var": u["norm"]["w"]} for k, u in units.items()}

    stem, blocks = {"stem": unit(3, 64, 3)}, [block(*b) for b in RESNET_BLOCKS]
    params = {"stem": stem, "blocks": blocks, "out": linear(512, 10)}
    state = {"stem": averages(stem), "blocks": [averages(b) for b in blocks]}
    return params, jax.tree.map(jnp.array, state)


def apply_resnet(p, state, x, train):
    def unit(name, params, old, new, x, stride=1):
        size = params[name]["conv"]["w"].shape[0]
        y = apply_conv(params[name]["conv"], x, stride, padding=size // 2)
        y, new[name] = batch_norm(params[name]["norm"], old[name], y, train)
        return y

    new = {"stem": {}, "blocks": []}
    x = jax.nn.relu(unit("stem", p["stem"], state["stem"], new["stem"], x))
    for params, old, (_, _, stride) in zip(p["blocks"], state["blocks"], RESNET_BLOCKS):
        kept = {}
        y = jax.nn.relu(unit("first", params, old, kept, x, stride))
        y = unit("second", params, old, kept, y)
        around = unit("shortcut", params, old, kept, x, stride) if "shortcut" in params else x
        x = jax.nn.relu(y + around)
        new["blocks"].append(kept)
    return apply_linear(p["out"], x.mean((1, 2))), new


def resnet():
    def loss(p, state, key, x, y):
        logits, state = apply_resnet(p, state, x, train=True)
        return cross_entropy(logits, y), state

    return *resnet_state(), loss


def infer_resnet():
    params, state = resnet_state()
    x = rand(1, 32, 32, 3)
    call = jax.jit(lambda p, s, x: apply_resnet(p, s, x, train=False)[0])

    def step():
        call(params, state, x).block_until_ready()

    return step


def lstm():
    hidden = 50

    def layer(inputs):
        sizes = {"x": (inputs, 4 * hidden), "h": (hidden, 4 * hidden), "bx": (4 * hidden,)}
        return {k: uniform(hidden, *s) for k, s in (sizes | {"bh": (4 * hidden,)}).items()}

    def run(p, xs):
        """All states of a layer over [time, batch, features]."""
        zeros = jnp.zeros((xs.shape[1], hidden))

        def cell(carry, x):
            h, c = carry
            i, f, g, o = jnp.split(x + h @ p["h"], 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        return lax.scan(cell, (zeros, zeros), xs @ p["x"] + p["bx"] + p["bh"])[1]

    def loss(p, state, key, x, y):
        states = run(p["second"], run(p["first"], x.transpose(1, 0, 2)))
        return jnp.square(apply_linear(p["out"], states[-1]) - y).mean(), state

    return {"first": layer(1), "second": layer(hidden), "out": linear(hidden, 1)}, (), loss


def gpt():
    vocabulary, context, width, heads, layers = 65, 128, 128, 4, 4

    def block():
        return {
            **{"norm1": norm(width), "qkv": linear(width, 3 * width), "out": linear(width, width)},
            **{"norm2": norm(width), "up": linear(width, 4 * width), "down": linear(4 * width, width)},
        }

    def attend(p, x):
        batch, time, _ = x.shape
        q, k, v = jnp.split(apply_linear(p["qkv"], x).reshape(batch, time, 3 * heads, -1), 3, 2)
        y = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        return apply_linear(p["out"], y.reshape(batch, time, width))

    def loss(p, state, key, x, y):
        h = p["characters"][x] + p["positions"]
        for b in p["blocks"]:
            h = h + attend(b, layer_norm(b["norm1"], h))
            up = jax.nn.gelu(apply_linear(b["up"], layer_norm(b["norm2"], h)), approximate=True)
            h = h + apply_linear(b["down"], up)
        return cross_entropy(apply_linear(p["head"], layer_norm(p["norm"], h)), y), state

    params = {
        **{"characters": randn(vocabulary, width), "positions": randn(context, width)},
        **{"blocks": [block() for _ in range(layers)], "norm": norm(width)},
        "head": linear(width, vocabulary),
    }
    return params, (), loss


def two_tower():
    def loss(p, state, key, users, items):
        fit = p["users"][users] @ p["items"][items].T
        return cross_entropy(fit, jnp.arange(len(users))), state

    return {"users": randn(943, 32), "items": randn(1682, 32)}, (), loss


def chain(x):
    y = jax.nn.relu(x * 2 + 1)
    y = jnp.exp(-y)
    y = y / (y + 1)
    return jnp.tanh(y) * x - 0.5


normal = lambda *s: lambda: randn(*s)
image = lambda batch, size, channels: lambda: rand(batch, size, size, channels)
labels = lambda below, *s: lambda: ints(below, *s)
matmul = lambda n: operation(jnp.matmul, normal(n, n), normal(n, n))
one = lambda: jnp.ones(1)

serve(
    jax.__version__,
    {
        "add_1": operation(jnp.add, one, one),
        "chain_1m": operation(chain, normal(1 << 20)),
        "softmax_4096x1000": operation(jax.nn.softmax, normal(4096, 1000)),
        "sum_rows_4096x4096": operation(lambda x: x.sum(0), normal(4096, 4096)),
        "matmul_256": matmul(256),
        "matmul_1024": matmul(1024),
        "matmul_2048": matmul(2048),
        "mlp_b32": training(mlp, adam(), lambda: rand(32, 784), labels(10, 32)),
        "mlp_b512": training(mlp, adam(), lambda: rand(512, 784), labels(10, 512)),
        "mnist_cnn_b32": training(mnist_cnn, sgd(1e-3, 0.9), image(32, 28, 1), labels(10, 32)),
        "cifar_cnn_b64": training(cifar_cnn, adam(), image(64, 32, 3), labels(10, 64)),
        "resnet18_cifar_b16": training(resnet, sgd(0.1, 0.9), image(16, 32, 3), labels(10, 16)),
        "resnet18_cifar_infer_b1": infer_resnet,
        "lstm_b32": training(lstm, adam(), lambda: rand(32, 100, 1), lambda: rand(32, 1)),
        "gpt_b8": training(gpt, adam(decay=0.01), labels(65, 8, 128), labels(65, 8, 128)),
        "embedding_bag_two_tower_b4096": training(two_tower, adam(), labels(943, 4096), labels(1682, 4096)),
    },
)
