// The workloads that tessera and its peers are measured on: same names, shapes, losses, optimizers.
//
// Each makes its data once and gives the step to be timed. A training step reads its loss back, and a
// plain operation computes its whole result, so that nothing lazy goes uncounted.

import { compile, F, nn, ones, optim, rand, randint, randn, type Tensor } from 'tessera'

export type Mode = 'compile' | 'eager'

/** Makes the step of a workload. */
type Workload = (mode: Mode) => () => unknown

/** Calls `fn` on the same tensors each time, and computes the result. */
function operation(mode: Mode, fn: (...x: Tensor[]) => Tensor, ...x: Tensor[]): () => unknown {
  for (const t of x) t.realize()
  const call = mode === 'compile' ? compile(fn) : fn
  return () => call(...x).realize()
}

/** A training step on one batch; answers with the loss. */
function training(
  mode: Mode,
  model: nn.Module,
  optimizer: optim.Optimizer,
  x: Tensor,
  y: Tensor,
): () => unknown {
  x.realize()
  y.realize()
  const step = (input: Tensor, target: Tensor): Tensor => {
    optimizer.zeroGrad()
    const loss = F.crossEntropy(model.call(input), target)
    loss.backward()
    optimizer.step()
    return loss
  }
  const call = mode === 'compile' ? compile(step) : step
  return () => call(x, y).item()
}

const classes = (n: number): Tensor => randint(0, 10, [n])

const matmul =
  (n: number): Workload =>
  (mode) =>
    operation(mode, (x, y) => (x as Tensor).matmul(y as Tensor), randn([n, n]), randn([n, n]))

const mlp =
  (batch: number): Workload =>
  (mode) => {
    const model = new nn.Sequential(
      new nn.Linear(784, 128),
      new nn.ReLU(),
      new nn.Dropout(0.2),
      new nn.Linear(128, 10),
    )
    const adam = new optim.Adam(model.parameters())
    return training(mode, model, adam, rand([batch, 784]), classes(batch))
  }

export const WORKLOADS: Readonly<Record<string, Workload>> = {
  add_1: (mode) => operation(mode, (x, y) => (x as Tensor).add(y as Tensor), ones([1]), ones([1])),

  // Ten elementwise operations over 2^20 floats.
  chain_1m: (mode) =>
    operation(
      mode,
      (input) => {
        const x = input as Tensor
        let y = F.relu(x.mul(2).add(1))
        y = y.neg().exp()
        y = y.div(y.add(1))
        return y.tanh().mul(x).sub(0.5)
      },
      randn([1 << 20]),
    ),

  softmax_4096x1000: (mode) =>
    operation(mode, (x) => F.softmax(x as Tensor, { axis: -1 }), randn([4096, 1000])),

  sum_rows_4096x4096: (mode) =>
    operation(mode, (x) => (x as Tensor).sum({ axis: 0 }), randn([4096, 4096])),

  matmul_256: matmul(256),
  matmul_1024: matmul(1024),
  matmul_2048: matmul(2048),
  mlp_b32: mlp(32),
  mlp_b512: mlp(512),

  // Conv 32 3x3, ReLU, max-pool 2, linear 10; SGD with momentum.
  mnist_cnn_b32: (mode) => {
    const model = new nn.Sequential(
      new nn.Conv2d(1, 32, 3),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.Linear(32 * 13 * 13, 10),
    )
    const sgd = new optim.SGD(model.parameters(), { lr: 1e-3, momentum: 0.9 })
    return training(mode, model, sgd, rand([32, 1, 28, 28]), classes(32))
  },

  // Conv 32, pool, conv 64, pool, conv 64, linear 64, linear 10; Adam.
  cifar_cnn_b64: (mode) => {
    const model = new nn.Sequential(
      new nn.Conv2d(3, 32, 3),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Conv2d(32, 64, 3),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Conv2d(64, 64, 3),
      new nn.ReLU(),
      new nn.Flatten(),
      new nn.Linear(1024, 64),
      new nn.ReLU(),
      new nn.Linear(64, 10),
    )
    const adam = new optim.Adam(model.parameters())
    return training(mode, model, adam, rand([64, 3, 32, 32]), classes(64))
  },
}
