// What a workload is, and the three kinds of them: an operation, a training step, an inference.
//
// Each makes its data once and gives the step to be timed. A training step reads its loss back, and the
// others compute their whole result, so that nothing lazy goes uncounted.

import { compile, F, type nn, noGrad, type optim, randint, type Tensor } from 'tessera'

export type Mode = 'compile' | 'eager'

/** Makes the step of a workload. A training step answers with its loss. */
export type Workload = (mode: Mode) => () => unknown

/** A network, the data it is trained on, and how. */
export interface Training {
  readonly model: nn.Module
  readonly optimizer: optim.Optimizer
  /** What the loss is computed from, in the order that `loss` takes it. */
  readonly data: readonly Tensor[]
  readonly loss: (...data: Tensor[]) => Tensor
}

/** Calls `fn` on the same tensors each time, and computes the result. */
export function operation(
  mode: Mode,
  fn: (...x: Tensor[]) => Tensor,
  ...x: Tensor[]
): () => unknown {
  for (const t of x) t.realize()
  const call = mode === 'compile' ? compile(fn) : fn
  return () => call(...x).realize()
}

/** Steps of training on one batch; each answers with the loss. */
export function training(mode: Mode, { optimizer, data, loss }: Training): () => number {
  for (const t of data) t.realize()
  const step = (...batch: Tensor[]): Tensor => {
    optimizer.zeroGrad()
    const value = loss(...batch)
    value.backward()
    optimizer.step()
    return value
  }
  const call = mode === 'compile' ? compile(step) : step
  return () => call(...data).item()
}

/** Calls of a network that is not trained any more. */
export function inference(mode: Mode, model: nn.Module, x: Tensor): () => unknown {
  model.eval()
  return operation(mode, (input) => noGrad(() => model.call(input as Tensor)), x)
}

/** The training of a network that tells classes apart. */
export function classifying(
  model: nn.Module,
  optimizer: optim.Optimizer,
  x: Tensor,
  classes = 10,
): Training {
  return {
    model,
    optimizer,
    data: [x, randint(0, classes, [x.shape[0] as number])],
    loss: (input, target) => F.crossEntropy(model.call(input as Tensor), target as Tensor),
  }
}
