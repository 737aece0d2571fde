"""Answers cases of test/torch-oracle.test.ts with what PyTorch computes: JSON in, JSON out.

Float inputs are computed in double precision, except where an operation is about dtypes; arrays
travel as base64 of their bytes.
"""

import base64
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def python_ints(f):
    """Integer arithmetic that may trap in PyTorch, in Python's own unbounded integers."""

    def run(a, b):
        bits = a.element_size() * 8
        signed = a.dtype != torch.uint8
        out = []
        for x, y in zip(a.flatten().tolist(), b.flatten().tolist()):
            r = f(x, y, bits) & ((1 << bits) - 1)
            out.append(r - (1 << bits) if signed and r >> (bits - 1) else r)
        return torch.tensor(out, dtype=a.dtype).reshape(a.shape)

    return run


def quotient(x, y):
    q = abs(x) // abs(y)
    return q if (x < 0) == (y < 0) else -q


int_div = python_ints(lambda x, y, bits: quotient(x, y))
int_rem = python_ints(lambda x, y, bits: x - y * quotient(x, y))
int_shl = python_ints(lambda x, n, bits: x << n if 0 <= n < bits else 0)
int_shr = python_ints(lambda x, n, bits: x >> (n if 0 <= n < bits else 64))

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "int32": torch.int32,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "bool": torch.bool,
}


def reduced(f, empty):
    """A reduction that PyTorch refuses for empty sets."""

    def run(x, axes, **_):
        for axis in sorted(axes, reverse=True):
            if x.shape[axis] == 0:
                shape = [n for i, n in enumerate(x.shape) if i != axis]
                x = torch.full(shape, empty(x.dtype), dtype=x.dtype)
            else:
                x = f(x, axis)
        return x

    return run


def limit(which):
    def of(dtype):
        if dtype.is_floating_point:
            return float("-inf") if which == "min" else float("inf")
        return getattr(torch.iinfo(dtype), which)

    return of


def extremum(split, first):
    """Ties split as amax does over all axes at once, or go to the first as max of one axis does."""

    def run(x, axes, ties):
        if x.numel() == 0 or x.dtype == torch.bool or not axes:
            return reduced(lambda y, a: split(y, a), limit("min" if split is torch.amax else "max"))(
                x, axes
            )
        if ties == "split":
            return split(x, axes)
        kept = [i for i in range(x.dim()) if i not in axes]
        shape = [x.shape[i] for i in kept]
        return first(x.permute(kept + list(axes)).reshape(shape + [-1]), -1).values

    return run


def total_sum(x, axes):
    return x.sum(axes, dtype=x.dtype) if axes else x.clone()


def class_loss(f):
    def run(x, y, w=None, *, reduction, ignoreIndex, labelSmoothing):
        options = {"label_smoothing": labelSmoothing} if f is F.cross_entropy else {}
        w = None if w is None else w.to(x.dtype)
        return f(
            x, y.long(), weight=w, ignore_index=ignoreIndex, reduction=reduction, **options
        )

    return run


def binary_loss(f):
    def run(x, t, *rest, reduction, weighted, positiveWeighted):
        rest = list(rest)
        options = {"reduction": reduction}
        if weighted:
            options["weight"] = rest.pop(0)
        if positiveWeighted:
            options["pos_weight"] = rest.pop(0)
        return f(x, t, **options)

    return run


def sgd(param, grad, lr, buffer=None, step=None, **a):
    p = torch.nn.Parameter(param.detach().clone())
    p.grad = grad.detach().clone()
    options = {k: a[k] for k in ("momentum", "dampening", "nesterov", "maximize")}
    opt = torch.optim.SGD([p], lr=lr.item(), weight_decay=a["weightDecay"], **options)
    if buffer is not None and (step is None or step.item() > 1):
        opt.state[p]["momentum_buffer"] = buffer.detach().clone()
        opt.step()
        return p.data, opt.state[p]["momentum_buffer"]
    opt.step()
    return (p.data,) if buffer is None else (p.data, opt.state[p]["momentum_buffer"])


def adam(kind):
    def run(param, grad, m, v, step, lr, **a):
        p = torch.nn.Parameter(param.detach().clone())
        p.grad = grad.detach().clone()
        opt = kind(
            [p],
            lr=lr.item(),
            betas=(a["beta1"], a["beta2"]),
            eps=a["eps"],
            weight_decay=a["weightDecay"],
            maximize=a["maximize"],
        )
        opt.state[p] = {
            "step": torch.tensor(step.item() - 1),
            "exp_avg": m.detach().clone(),
            "exp_avg_sq": v.detach().clone(),
        }
        opt.step()
        return p.data, opt.state[p]["exp_avg"], opt.state[p]["exp_avg_sq"]

    return run


def by_kind(on_float, on_int):
    return lambda a, b: on_float(a, b) if a.is_floating_point() else on_int(a, b)


def over(f):
    """A function of one axis, over several flattened into one."""

    def run(x, axes):
        kept = [i for i in range(x.dim()) if i not in axes]
        perm = kept + list(axes)
        moved = x.permute(perm)
        y = f(moved.flatten(len(kept)), -1).reshape(moved.shape)
        return y.permute([perm.index(i) for i in range(x.dim())])

    return run


def attention(q, k, v, mask=None, *, scale, causal):
    rows, columns = q.shape[1], k.shape[1]
    allowed = torch.ones(rows, columns, dtype=torch.bool).tril() if causal else None
    y = F.scaled_dot_product_attention(
        *(x.transpose(1, 2) for x in (q, k, v)), allowed if mask is None else mask, scale=scale
    )
    return y.transpose(1, 2)


def cast(x, dtype):
    to = DTYPES[dtype]
    if x.is_floating_point() and not to.is_floating_point and to != torch.bool:
        # C leaves conversions out of range undefined; tessera saturates.
        info = torch.iinfo(to)
        ints = [
            0 if v != v else info.max if v >= info.max else info.min if v <= info.min else int(v)
            for v in x.double().flatten().tolist()
        ]
        return torch.tensor(ints, dtype=to).reshape(x.shape)
    return x.to(to)


def either(a, b):
    return a | b if a.dtype == torch.bool else torch.maximum(a, b)


def both(a, b):
    return a & b if a.dtype == torch.bool else torch.minimum(a, b)


UNARY = "neg abs exp expm1 log log1p sqrt sin cos tanh erf floor round relu sigmoid"
OPS = {
    **{name: getattr(torch, name) for name in UNARY.split()},
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": by_kind(torch.div, int_div),
    "rem": by_kind(torch.fmod, int_rem),
    "pow": torch.pow,
    "max": either,
    "min": both,
    "and": torch.bitwise_and,
    "or": torch.bitwise_or,
    "xor": torch.bitwise_xor,
    "shl": int_shl,
    "shr": int_shr,
    "eq": torch.eq,
    "lt": torch.lt,
    "le": torch.le,
    "select": torch.where,
    "cast": cast,
    "bitcast": lambda x, dtype: x.view(DTYPES[dtype]),
    "reduceSum": total_sum,
    "reduceProd": reduced(lambda x, a: x.prod(a, dtype=x.dtype), lambda _: 1),
    "reduceMax": extremum(torch.amax, torch.max),
    "reduceMin": extremum(torch.amin, torch.min),
    "silu": F.silu,
    "softplus": lambda x: F.softplus(x, threshold=1e9),
    "gelu": F.gelu,
    "leakyRelu": lambda x, slope: F.leaky_relu(x, slope),
    "elu": F.elu,
    "softmax": over(F.softmax),
    "logSoftmax": over(F.log_softmax),
    "logSumExp": lambda x, axes: torch.logsumexp(x, axes),
    "linear": F.linear,
    "attention": attention,
    "crossEntropy": class_loss(F.cross_entropy),
    "nllLoss": class_loss(F.nll_loss),
    "mseLoss": lambda p, t, reduction, threshold: F.mse_loss(p, t, reduction=reduction),
    "l1Loss": lambda p, t, reduction, threshold: F.l1_loss(p, t, reduction=reduction),
    "smoothL1Loss": lambda p, t, reduction, threshold: F.smooth_l1_loss(
        p, t, reduction=reduction, beta=threshold
    ),
    "huberLoss": lambda p, t, reduction, threshold: F.huber_loss(
        p, t, reduction=reduction, delta=threshold
    ),
    "binaryCrossEntropy": binary_loss(F.binary_cross_entropy),
    "binaryCrossEntropyWithLogits": binary_loss(F.binary_cross_entropy_with_logits),
    "sgdUpdate": sgd,
    "adamUpdate": adam(torch.optim.Adam),
    "adamwUpdate": adam(torch.optim.AdamW),
}


def load(array):
    raw = np.frombuffer(base64.b64decode(array["bytes"]), dtype=array["dtype"])
    return torch.from_numpy(raw.copy()).reshape(array["shape"])


def dump(tensor):
    data = tensor.detach().contiguous().numpy()
    return {
        "shape": list(data.shape),
        "dtype": str(data.dtype),
        "bytes": base64.b64encode(data.tobytes()).decode(),
    }


def answer(case):
    inputs = [load(x) for x in case["inputs"]]
    if case["wide"]:
        inputs = [x.double() if x.is_floating_point() else x for x in inputs]
    wanted = [inputs[i] for i in case["wrt"]]
    for x in wanted:
        x.requires_grad_(True)
    results = OPS[case["op"]](*inputs, **case["attrs"])
    results = results if isinstance(results, tuple) else (results,)
    grads = []
    if wanted:
        floats = [r for r in results if r.is_floating_point()]
        loss = sum((r * load(s)).sum() for r, s in zip(floats, case["seeds"]))
        if loss.requires_grad:
            found = torch.autograd.grad(loss, wanted, allow_unused=True)
            grads = [torch.zeros_like(x) if g is None else g for g, x in zip(found, wanted)]
        else:
            grads = [torch.zeros_like(x) for x in wanted]
    return {"results": [dump(r) for r in results], "grads": [dump(g) for g in grads]}


def try_answer(case):
    try:
        return answer(case)
    except Exception as error:  # shown by the test that sent the case
        return {"error": f"{type(error).__name__}: {error}"}


json.dump([try_answer(case) for case in json.load(sys.stdin)], sys.stdout)
