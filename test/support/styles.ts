// One training written in every style, and what its weights are afterwards. Run by itself it prints the
// digests of all of them as JSON, computed by as many threads as TESSERA_THREADS says.

import { createHash } from 'node:crypto'
import {
  compile,
  F,
  getNumThreads,
  graph,
  manualSeed,
  nn,
  optim,
  rand,
  type Tensor,
  tensor,
} from 'tessera'
import { currentDevice } from '../../src/runtime/devices.js'
import { uniform } from './samples.js'

export type Algorithm = 'Adam' | 'SGD'

interface Batch {
  readonly x: Float32Array
  readonly y: Int32Array
}

const BATCH = 32
const SEED = 5

function batches(count: number, features: number): Batch[] {
  const next = uniform(3)
  return Array.from({ length: count }, () => ({
    x: Float32Array.from({ length: BATCH * features }, next),
    y: Int32Array.from({ length: BATCH }, () => Math.floor(10 * next())),
  }))
}

/** SHA-256 of all the bytes of some arrays. */
function digest(arrays: readonly Float32Array[]): string {
  const hash = createHash('sha256')
  for (const { buffer, byteOffset, byteLength } of arrays) {
    hash.update(new Uint8Array(buffer, byteOffset, byteLength))
  }
  return hash.digest('hex')
}

const weightsOf = (net: nn.Module): Float32Array[] =>
  net.parameters().map((p) => p.dataSync() as Float32Array)

class Mlp extends nn.Module {
  fc1 = new nn.Linear(784, 128)
  dropout = new nn.Dropout(0.2)
  fc2 = new nn.Linear(128, 10)

  hidden(x: Tensor): Tensor {
    return F.relu(this.fc1.call(x))
  }

  override forward(x: Tensor): Tensor {
    return this.fc2.call(this.dropout.call(this.hidden(x)))
  }
}

class Cnn extends nn.Module {
  conv1 = new nn.Conv2d(1, 8, 3, { padding: 1 })
  norm = new nn.BatchNorm2d(8)
  conv2 = new nn.Conv2d(8, 16, 3, { stride: 2 })
  fc = new nn.Linear(16 * 6 * 6, 10)

  override forward(x: Tensor): Tensor {
    const first = F.relu(this.norm.call(this.conv1.call(x.reshape([-1, 1, 28, 28]))))
    const pooled = F.maxPool2d(first, 2)
    return this.fc.call(F.relu(this.conv2.call(pooled)).flatten(1))
  }
}

const MODELS = { mlp: () => new Mlp(), cnn: () => new Cnn() }
export type Model = keyof typeof MODELS

/** A fresh model, always the same, with random draws starting at the same place. */
function fresh(model: Model): nn.Module {
  manualSeed(SEED)
  const net = MODELS[model]()
  for (const p of net.parameters()) p.realize()
  manualSeed(SEED + 1)
  return net
}

function optimizerOf(algorithm: Algorithm, net: nn.Module): optim.Optimizer {
  return algorithm === 'Adam'
    ? new optim.Adam(net.parameters())
    : new optim.SGD(net.parameters(), { lr: 0.05, momentum: 0.9 })
}

export interface Training {
  readonly model: Model
  readonly algorithm: Algorithm
  readonly steps: number
  /** Look at intermediates in every step. */
  readonly printing?: boolean
}

/** Shows a tensor, as `console.log` does. */
function print(x: Tensor | null | undefined): void {
  if (String(x).length === 0) throw new Error('nothing to be seen')
}

export function trainEagerly({ model, algorithm, steps, printing = false }: Training): string {
  const net = fresh(model)
  const opt = optimizerOf(algorithm, net)
  for (const batch of batches(steps, 784)) {
    const x = tensor(batch.x, { shape: [BATCH, 784] })
    const y = tensor(batch.y)
    opt.zeroGrad()
    if (printing && net instanceof Mlp) print(net.hidden(x))
    const logits = net.call(x) as Tensor
    if (printing) print(logits)
    const loss = F.crossEntropy(logits, y)
    if (printing) print(loss)
    loss.backward()
    if (printing) for (const p of net.parameters()) print(p.grad)
    opt.step()
    if (printing) print(logits.argmax(1))
  }
  return digest(weightsOf(net))
}

export function trainCompiled({ model, algorithm, steps, printing = false }: Training): string {
  const net = fresh(model)
  const opt = optimizerOf(algorithm, net)
  const step = compile((x: Tensor, y: Tensor) => {
    opt.zeroGrad()
    const logits = net.call(x) as Tensor
    const loss = F.crossEntropy(logits, y)
    loss.backward()
    opt.step()
    return { loss, logits }
  })
  for (const batch of batches(steps, 784)) {
    const { loss, logits } = step(tensor(batch.x, { shape: [BATCH, 784] }), tensor(batch.y))
    if (!printing) continue
    print(loss)
    print(logits)
    for (const p of net.parameters()) print(p.grad)
  }
  return digest(weightsOf(net))
}

/** The MLP as a graph of placeholders and variables, run by a session. */
export function trainInSession({ algorithm, steps, printing = false }: Training): string {
  const initial = fresh('mlp')
    .parameters()
    .map((p) => tensor(p))
  const g = new graph.Graph()
  const x = g.placeholder('float32', [null, 784], { name: 'x' })
  const y = g.placeholder('int32', [null], { name: 'y' })
  const variables = initial.map((value) => g.variable(value))
  const [w1, b1, w2, b2] = variables as Tensor[] as [Tensor, Tensor, Tensor, Tensor]
  const hidden = F.relu(F.linear(x, w1, b1))
  const logits = F.linear(F.dropout(hidden, { p: 0.2, training: true }), w2, b2)
  const loss = F.crossEntropy(logits, y)
  const optimizer =
    algorithm === 'Adam'
      ? new graph.train.AdamOptimizer()
      : new graph.train.MomentumOptimizer({ learningRate: 0.05, momentum: 0.9 })
  const step = optimizer.minimize(loss)
  using session = new graph.Session(g)
  session.run(g.globalVariablesInitializer())
  manualSeed(SEED + 1)
  for (const feed of batches(steps, 784)) {
    if (!printing) {
      session.run(step, { feed: { ...feed } })
      continue
    }
    const seen = session.run([step, hidden, logits, loss], { feed: { ...feed } })
    for (const tensor of seen.slice(1)) print(tensor as Tensor)
  }
  return digest(session.run(variables).map((t) => (t as Tensor).dataSync() as Float32Array))
}

/** Waits until all threads take part: until then, plans run on those that have started. */
async function threadsListening(): Promise<void> {
  const device = currentDevice() as unknown as { listening?: number }
  const big = rand([512, 512])
  for (let i = 0; i < 200; i++) {
    big.matmul(big).realize()
    if ((device.listening ?? 0) >= getNumThreads() - 1) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`${device.listening} of ${getNumThreads() - 1} threads have started`)
}

/** The digests of every way to train, by name. */
export function digests(): Record<string, string> {
  const out: Record<string, string> = {}
  const styles = { eager: trainEagerly, compiled: trainCompiled, session: trainInSession }
  for (const algorithm of ['Adam', 'SGD'] as const) {
    for (const [style, train] of Object.entries(styles)) {
      for (const printing of [false, true]) {
        const name = `mlp ${algorithm}: ${style}${printing ? ', printing' : ''}`
        out[name] = train({ model: 'mlp', algorithm, steps: 50, printing })
      }
    }
  }
  for (const algorithm of ['Adam', 'SGD'] as const) {
    for (const [style, train] of Object.entries(styles).slice(0, 2)) {
      const name = `cnn ${algorithm}: ${style}`
      out[name] = train({ model: 'cnn', algorithm, steps: 10 })
    }
  }
  return out
}

/** Prints the digests, with the number of threads that computed them. */
export async function main(): Promise<void> {
  if (currentDevice().name !== 'reference') await threadsListening()
  console.log(JSON.stringify({ threads: getNumThreads(), digests: digests() }))
}
