// Programs that a page runs, and Node.js runs too: they give plain values that can be compared.

import * as tessera from 'tessera'
import {
  compile,
  F,
  grad,
  io,
  manualSeed,
  nn,
  optim,
  rand,
  randn,
  type Tensor,
  TesseraError,
  tensor,
  variable,
} from 'tessera'
import { lossesOf, type Network } from '../../support/networks.js'
import { digest } from './digest.js'

/** What computes here. */
export function surroundings() {
  return {
    device: tessera.currentDeviceName(),
    threads: tessera.getNumThreads(),
    isolated: globalThis.crossOriginIsolated === true,
    info: Object.fromEntries(
      tessera.deviceInfo().map(({ name, available, detail }) => [name, { available, detail }]),
    ),
  }
}

/** Asks for so many threads. */
export function threads(count: number): number {
  tessera.setNumThreads(count)
  return tessera.getNumThreads()
}

/** What the documentation shows first. */
export function first(): unknown {
  const x = tensor([
    [1, 2],
    [3, 4],
  ])
  return [x.matmul(x).add(1).array(), x.sum({ axis: 0 }).array(), x.mean().item(), String(x)]
}

const OPERATIONS: Readonly<Record<string, (x: Tensor, y: Tensor) => Tensor | Tensor[]>> = {
  elementwise: (x, y) => x.mul(1.7).add(y).sub(0.3).abs().sqrt(),
  functions: (x) => [x.exp(), x.abs().add(0.1).log(), x.tanh(), x.sin(), x.sigmoid(), x.pow(3)],
  softmax: (x) => [x.softmax(1), x.logSoftmax(0)],
  reductions: (x) => [x.sum(), x.mean({ axis: 0 }), x.max({ axis: 1 }), x.argmin(1), x.std()],
  products: (x, y) => x.matmul(y.transpose()).div(10).relu(),
  integers: (x) => [
    x.mul(100).cast('int32').floorDivide(7),
    x.mul(1e9).cast('int64').mul(12345),
    x.gt(0).logicalNot().cast('uint8'),
  ],
  doubles: (x, y) =>
    x
      .cast('float64')
      .mul(1 / 3)
      .matmul(y.cast('float64').transpose()),
  views: (x) => [x.at('::-1, 1::3'), x.reshape([-1]).at('5:77'), x.transpose()],
  choices: (x, y) => [tessera.where(x.gt(y), x, y), x.clamp({ min: y }), x.argmax(0)],
}

/** Digests of an operation's results on random numbers, called eagerly and compiled. */
export async function operation(name: string): Promise<{ eager: string; compiled: string }> {
  manualSeed(3)
  const f = OPERATIONS[name]!
  const list = (x: Tensor, y: Tensor): Tensor[] => [f(x, y)].flat()
  const [x, y] = [randn([67, 131]), rand([67, 131])]
  return {
    eager: await digest(list(x, y)),
    compiled: await digest(compile(list)(x, y)),
  }
}

/** Losses of a network's first steps. */
export const network = (name: Network): number[] => lossesOf(name)

/** Trains an MLP to tell which side of a circle points are on. */
export async function training(
  steps = 100,
): Promise<{ losses: number[]; right: number; weights: string }> {
  manualSeed(1)
  const net = new nn.Sequential(new nn.Linear(2, 64), new nn.Tanh(), new nn.Linear(64, 2))
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.02 })
  const points = rand([512, 2]).mul(2).sub(1)
  const inside = points.square().sum({ axis: 1 }).lt(0.6).cast('int32')
  const step = compile((x: Tensor, y: Tensor) => {
    optimizer.zeroGrad()
    const loss = F.crossEntropy(net.call(x), y)
    loss.backward()
    optimizer.step()
    return loss
  })
  const losses = Array.from({ length: steps }, () => step(points, inside).item())
  const right = net.call(points).argmax(1).eq(inside).cast('float32').mean().item()
  return { losses, right, weights: await digest(net.parameters()) }
}

/** Gradients of every kind. */
export async function gradients(): Promise<{ known: unknown; digest: string }> {
  const w = variable([1, 2, 3])
  w.square().sum().backward()
  const slope = grad((x: Tensor) => x.pow(3).sum())
  const curvature = grad((x: Tensor) => slope(x).sum())
  manualSeed(2)
  const x = randn([4, 3, 16, 16])
  const kernel = variable(randn([8, 3, 3, 3]))
  F.conv2d(x, kernel).relu().mean().backward()
  return {
    known: [w.grad?.array(), slope(tensor([2.5])).item(), curvature(tensor([2.5])).item()],
    digest: await digest([kernel.grad!]),
  }
}

/** Weights and an optimizer's state as bytes, and back. */
export async function saving(): Promise<{ bytes: string; same: boolean }> {
  manualSeed(4)
  const make = (): nn.Module => new nn.Sequential(new nn.Linear(8, 16), new nn.BatchNorm1d(16))
  const [net, other] = [make(), make()]
  const bytes = io.encodeSafetensors(net.stateDict(), { note: 'from a page' })
  other.loadStateDict(io.decodeSafetensors(bytes))
  return {
    bytes: await digest([tensor(bytes)]),
    same: (await digest(other.parameters())) === (await digest(net.parameters())),
  }
}

/** The errors that mistakes are answered with. */
export async function mistakes(): Promise<Record<string, string>> {
  const tries: Readonly<Record<string, () => unknown>> = {
    shapes: () => tensor([1, 2]).add(tensor([1, 2, 3])),
    index: () => tensor([1, 2]).at([5]),
    embedding: () => F.embedding(tensor([9]), tensor([[1.5]])).array(),
    device: () => tessera.setDevice('x64'),
    bytes: () => io.decodeSafetensors(new Uint8Array(4)),
    save: () => io.saveSafetensors('a.safetensors', { a: tensor([1]) }),
    load: () => io.loadSafetensors('a.safetensors'),
    inspect: () => io.inspectSafetensorsFile('a.safetensors'),
    digits: () => tessera.datasets.mnist({ download: false }),
  }
  const found: Record<string, string> = {}
  for (const [name, mistake] of Object.entries(tries)) {
    found[name] = await Promise.resolve()
      .then(mistake)
      .then(
        () => 'no error',
        (error) =>
          error instanceof TesseraError ? `${error.name}: ${error.message}` : `untyped ${error}`,
      )
  }
  return found
}

/** Digits fetched from `root`. */
export async function digits(root: string): Promise<unknown> {
  const set = await tessera.datasets.mnist({ split: 'test', root })
  const loader = new tessera.data.DataLoader(set, { batchSize: 1000 })
  let batches = 0
  let sum = 0
  for await (const [, y] of loader) {
    batches++
    sum += y.sum().item()
  }
  const [x] = set.batch([0, 1, 2])
  return { length: set.length, batches, sum, digest: await digest([x]) }
}
