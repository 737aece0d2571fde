// Loops as people write them, without a thought for memory, in a process of their own:
// `node --expose-gc loops.js <name> <steps> [yields]` prints what is in use after each tenth of the steps.

import {
  compile,
  data,
  F,
  GradientTape,
  manualSeed,
  nn,
  optim,
  rand,
  randint,
  randn,
  type Tensor,
  tensor,
  valueAndGrad,
  variable,
  zeros,
} from 'tessera'
import { koffi, whyNoKoffi } from '../../src/backends/x64/native/koffi.js'

/** Makes a step; what it closes over is what a program would keep. */
type Loop = () => (i: number) => void

const mlp = (): nn.Module =>
  new nn.Sequential(new nn.Linear(8, 16), new nn.ReLU(), new nn.Linear(16, 1))

const convolutional = (): nn.Module =>
  new nn.Sequential(
    new nn.Conv2d(1, 8, 3),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(8 * 13 * 13, 10),
  )

function finite(x: number): void {
  if (!Number.isFinite(x)) throw new Error('the loss is not finite')
}

const LOOPS: Readonly<Record<string, Loop>> = {
  'small steps': () => {
    const net = mlp()
    const opt = new optim.Adam(net.parameters())
    const x = randn([16, 8])
    return () => {
      opt.zeroGrad()
      const loss = net.call(x.add(0.1)).square().mean()
      loss.backward()
      opt.step()
      finite(loss.item())
    }
  },

  'convolutional steps': () => {
    const net = convolutional()
    const opt = new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9 })
    return () => {
      // A fresh batch every step, and results that are dropped.
      const x = rand([16, 1, 28, 28])
      const y = randint(0, 10, [16])
      opt.zeroGrad()
      const logits = net.call(x)
      F.crossEntropy(logits, y).backward()
      opt.step()
      logits.argmax(1).eq(y).sum().item()
    }
  },

  'sums of losses': () => {
    const w = variable(1)
    let sum = tensor(0, { dtype: 'float32' })
    return () => {
      sum = sum.add(w.mul(0.5).square().detach())
    }
  },

  'sums of losses that were differentiated': () => {
    const net = mlp()
    const opt = new optim.SGD(net.parameters(), { lr: 1e-3 })
    const x = randn([16, 8]).realize()
    let sum = tensor(0, { dtype: 'float32' })
    return () => {
      opt.zeroGrad()
      const loss = net.call(x).square().mean()
      loss.backward()
      opt.step()
      sum = sum.add(loss)
    }
  },

  'steps with a tape': () => {
    const net = mlp()
    const opt = new optim.SGD(net.parameters(), { lr: 1e-3 })
    const x = randn([16, 8]).realize()
    let sum = tensor(0, { dtype: 'float32' })
    return () => {
      const tape = new GradientTape()
      const loss = tape.run(() => net.call(x).square().mean())
      opt.applyGradients(tape.gradient(loss, net.parameters()), net.parameters())
      sum = sum.add(loss)
    }
  },

  'steps of functions': () => {
    const x = randn([16, 200]).realize()
    const step = valueAndGrad((w: Tensor) => x.matmul(w).tanh().square().mean())
    let w = randn([200, 100])
    let sum = tensor(0, { dtype: 'float32' })
    return (i) => {
      const { value, grads } = step(w)
      w = w.sub(grads.mul(0.1))
      sum = sum.add(value)
      if (i % 10 === 0) finite(value.item())
    }
  },

  'compiled steps': () => {
    const net = mlp()
    const opt = new optim.Adam(net.parameters())
    const step = compile((x: Tensor) => {
      opt.zeroGrad()
      const loss = net.call(x).square().mean()
      loss.backward()
      opt.step()
      return loss
    })
    const x = randn([16, 8])
    return () => finite(step(x.add(0.1)).item())
  },

  'steps that are looked into': () => {
    const net = mlp()
    const opt = new optim.SGD(net.parameters(), { lr: 1e-3 })
    const x = randn([16, 8])
    return () => {
      opt.zeroGrad()
      const hidden = net.call(x)
      if (hidden.toString().length === 0) throw new Error('nothing printed')
      const loss = hidden.square().mean()
      loss.backward()
      opt.step()
      for (const p of net.parameters()) finite(p.grad?.norm().item() ?? 0)
    }
  },

  'large results': () => {
    const x = randn([256, 256]).realize()
    return (i) => {
      const y = x.add(i).mul(x).realize()
      if (i % 16 === 0) finite(y.sum().item())
    }
  },

  'batches of a loader': () => {
    const set = new data.TensorDataset(randn([512, 64, 16]), randint(0, 10, [512]))
    const loader = new data.DataLoader(set, { batchSize: 32, shuffle: true })
    const seen = variable(zeros([64, 16]), { requiresGrad: false })
    let batches = loader[Symbol.iterator]()
    return () => {
      let next = batches.next()
      if (next.done) {
        batches = loader[Symbol.iterator]()
        next = batches.next()
      }
      const [x, y] = next.value as [Tensor, Tensor]
      seen.assign(seen.mul(0.9).add(x.mean(0))).realize()
      finite(y.sum().item())
    }
  },

  'evaluation without noGrad': () => {
    const net = mlp()
    let correct = tensor(0)
    return (i) => {
      const x = rand([64, 8])
      correct = correct.add(net.call(x).gt(0).sum())
      if (i % 10 === 0) finite(correct.item())
    }
  },

  'batches of ever different length': () => {
    const net = new nn.Linear(8, 1)
    const opt = new optim.SGD(net.parameters(), { lr: 1e-3 })
    return (i) => {
      const n = 1 + ((i * 37) % 600)
      opt.zeroGrad()
      const loss = net
        .call(rand([n, 8]))
        .square()
        .mean()
      loss.backward()
      opt.step()
      if (i % 3 === 0) finite(net.parameters()[0]?.grad?.norm().item() ?? 0)
    }
  },

  'compiled batches of ever different length': () => {
    const net = new nn.Linear(64, 1)
    const opt = new optim.SGD(net.parameters(), { lr: 1e-3 })
    const step = compile((x: Tensor) => {
      opt.zeroGrad()
      const loss = net.call(x).square().mean()
      loss.backward()
      opt.step()
      return loss
    })
    return (i) => {
      // Wide, so that a device's cache of inputs, 8 MiB and as much again on the host, is soon full.
      const n = 1 + ((i * 37) % 600)
      finite(step(tensor(new Float32Array(64 * n), { shape: [n, 64] })).item())
    }
  },
}

/** What the process has when there is no garbage, in bytes. */
export interface InUse {
  /** Memory of the system. */
  readonly resident: number
  /** What JavaScript's objects take of it, without the elements of arrays. */
  readonly objects: number
}

/**
 * Gives the system what the C library keeps for the next arrays, where it can be told to: as much as ever
 * waited for the collector at one time (with arrays of 80 KB between 40 and 72 MiB), which depends on when V8
 * begins to mark, and may be met late.
 */
const trim: () => void = (() => {
  if (whyNoKoffi() !== '') return () => {}
  try {
    const release = koffi().load('libc.so.6').func('int malloc_trim(size_t keep)')
    return () => release(0)
  } catch {
    return () => {} // another C library than GNU's
  }
})()

function inUse(): InUse {
  globalThis.gc?.()
  globalThis.gc?.()
  trim()
  const { rss, heapUsed } = process.memoryUsage()
  return { resident: rss, objects: heapUsed }
}

const [name = '', count = '0', yields] = process.argv.slice(2)
manualSeed(1)
const step = (LOOPS[name] as Loop)()
const steps = Number(count)
const samples: InUse[] = []
for (let i = 0; i <= steps; i++) {
  if (i > 0 && i % (steps / 10) === 0) samples.push(inUse())
  if (i < steps) step(i)
  if (yields !== undefined && i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
}
console.log(JSON.stringify(samples))
