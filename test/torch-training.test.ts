// Layers and training against PyTorch: the same names, outputs, gradients and trajectories. Weights go
// over in safetensors files, so those are compared as well.
//
// Runs where a Python with PyTorch is found: the one TESSERA_PYTHON names, else `python3`.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  compile,
  concat,
  F,
  io,
  manualSeed,
  nn,
  optim,
  rand,
  randint,
  randn,
  Tensor,
} from 'tessera'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askPython, findPython } from './support/python.js'

/** A layer here and there, and the shapes of its inputs. */
interface LayerCase {
  readonly code: string
  readonly make: () => nn.Module
  readonly inputs: () => Tensor[]
  readonly train?: boolean
}

const D = { dtype: 'float64' } as const
const layer = (code: string, make: () => nn.Module, shape: number[], train = true): LayerCase => ({
  code,
  make,
  inputs: () => [randn(shape, D)],
  train,
})

const states = (count: number, ...shapes: number[][]) => [
  ...shapes.slice(0, 1).map((s) => randn(s, D)),
  ...Array.from({ length: count }, () => randn(shapes[1]!, D)),
]

const RECURRENT: readonly LayerCase[] = [
  layer('nn.RNN(3, 4)', () => new nn.RNN(3, 4, D), [5, 2, 3]),
  layer(
    "nn.RNN(3, 4, nonlinearity='relu', bias=False)",
    () => new nn.RNN(3, 4, { ...D, nonlinearity: 'relu', bias: false }),
    [5, 2, 3],
  ),
  layer('nn.LSTM(3, 4)', () => new nn.LSTM(3, 4, D), [5, 3]),
  layer(
    'nn.LSTM(3, 5, 3, batch_first=True, bidirectional=True)',
    () => new nn.LSTM(3, 5, { ...D, numLayers: 3, batchFirst: true, bidirectional: true }),
    [8, 6, 3],
  ),
  {
    code: 'nn.LSTM(3, 4, 2, bias=False, dropout=0.5)',
    make: () => new nn.LSTM(3, 4, { ...D, numLayers: 2, bias: false, dropout: 0.5 }),
    inputs: () => states(2, [5, 2, 3], [2, 2, 4]),
    train: false,
  },
  layer('nn.GRU(3, 4)', () => new nn.GRU(3, 4, D), [5, 2, 3]),
  {
    code: 'nn.GRU(2, 4, 2, bidirectional=True)',
    make: () => new nn.GRU(2, 4, { ...D, numLayers: 2, bidirectional: true }),
    inputs: () => states(1, [5, 3, 2], [4, 3, 4]),
  },
  {
    code: 'nn.LSTMCell(3, 4)',
    make: () => new nn.LSTMCell(3, 4, D),
    inputs: () => states(2, [2, 3], [2, 4]),
  },
  {
    code: 'nn.GRUCell(3, 4, bias=False)',
    make: () => new nn.GRUCell(3, 4, { ...D, bias: false }),
    inputs: () => states(1, [2, 3], [2, 4]),
  },
  layer(
    "nn.RNNCell(3, 4, nonlinearity='relu')",
    () => new nn.RNNCell(3, 4, { ...D, nonlinearity: 'relu' }),
    [3],
  ),
]

const LAYERS: readonly LayerCase[] = [
  layer('nn.Linear(5, 3)', () => new nn.Linear(5, 3, D), [4, 5]),
  layer('nn.Linear(5, 3, bias=False)', () => new nn.Linear(5, 3, { ...D, bias: false }), [2, 3, 5]),
  layer(
    'nn.Conv1d(3, 4, 3, padding=1)',
    () => new nn.Conv1d(3, 4, 3, { ...D, padding: 1 }),
    [2, 3, 7],
  ),
  layer('nn.Conv2d(2, 4, 3)', () => new nn.Conv2d(2, 4, 3, D), [2, 2, 6, 5]),
  layer(
    'nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2)',
    () => new nn.Conv2d(4, 6, [3, 2], { ...D, stride: [2, 1], padding: [1, 0], groups: 2 }),
    [2, 4, 7, 6],
  ),
  layer(
    "nn.Conv2d(2, 2, 4, padding='same', dilation=2, bias=False)",
    () => new nn.Conv2d(2, 2, 4, { ...D, padding: 'same', dilation: 2, bias: false }),
    [1, 2, 8, 9],
  ),
  layer('nn.Conv3d(2, 3, 2)', () => new nn.Conv3d(2, 3, 2, D), [1, 2, 3, 4, 3]),
  layer('nn.MaxPool2d(2)', () => new nn.MaxPool2d(2), [1, 2, 5, 6]),
  layer(
    'nn.MaxPool2d(3, stride=2, padding=1)',
    () => new nn.MaxPool2d(3, { stride: 2, padding: 1 }),
    [2, 2, 7, 6],
  ),
  layer('nn.MaxPool1d(2, dilation=2)', () => new nn.MaxPool1d(2, { dilation: 2 }), [1, 2, 9]),
  layer(
    'nn.AvgPool2d(2, padding=1, count_include_pad=False)',
    () => new nn.AvgPool2d(2, { padding: 1, countIncludePad: false }),
    [1, 2, 6, 5],
  ),
  layer('nn.AdaptiveAvgPool2d((3, 2))', () => new nn.AdaptiveAvgPool2d([3, 2]), [1, 2, 7, 6]),
  layer('nn.BatchNorm1d(3)', () => new nn.BatchNorm1d(3, D), [5, 3]),
  layer('nn.BatchNorm1d(3)', () => new nn.BatchNorm1d(3, D), [5, 3], false),
  layer(
    'nn.BatchNorm2d(3, momentum=0.3)',
    () => new nn.BatchNorm2d(3, { ...D, momentum: 0.3 }),
    [2, 3, 4, 4],
  ),
  layer(
    'nn.BatchNorm2d(3, momentum=None)',
    () => new nn.BatchNorm2d(3, { ...D, momentum: null }),
    [2, 3, 4, 4],
  ),
  layer('nn.LayerNorm(6)', () => new nn.LayerNorm(6, D), [2, 3, 6]),
  layer(
    'nn.LayerNorm([3, 4], bias=False)',
    () => new nn.LayerNorm([3, 4], { ...D, bias: false }),
    [2, 3, 4],
  ),
  {
    code: 'nn.Embedding(7, 4, padding_idx=2)',
    make: () => new nn.Embedding(7, 4, { ...D, paddingIdx: 2 }),
    inputs: () => [randint(0, 7, [3, 5])],
  },
  ...RECURRENT,
  layer('nn.GELU()', () => new nn.GELU(), [7]),
  layer("nn.GELU(approximate='tanh')", () => new nn.GELU({ approximate: 'tanh' }), [7]),
  layer('nn.LeakyReLU(0.2)', () => new nn.LeakyReLU(0.2), [7]),
  layer('nn.SiLU()', () => new nn.SiLU(), [7]),
  layer('nn.Softmax(dim=1)', () => new nn.Softmax({ axis: 1 }), [2, 3, 4]),
  layer('nn.LogSoftmax(dim=-1)', () => new nn.LogSoftmax(), [2, 3]),
  layer('nn.Flatten(2)', () => new nn.Flatten(2), [2, 3, 4, 5]),
  layer(
    'nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))',
    () =>
      new nn.Sequential(
        new nn.Conv2d(1, 2, 3, D),
        new nn.BatchNorm2d(2, D),
        new nn.ReLU(),
        new nn.Flatten(),
        new nn.Linear(8, 3, D),
      ),
    [3, 1, 4, 4],
  ),
]

type Kind = 'float32' | 'float64'

class Digits extends nn.Module {
  readonly conv1: nn.Conv2d
  readonly pool = new nn.MaxPool2d(2)
  readonly fc1: nn.Linear

  constructor(dtype: Kind) {
    super()
    this.conv1 = new nn.Conv2d(1, 4, 3, { dtype })
    this.fc1 = new nn.Linear(4 * 3 * 3, 5, { dtype })
  }

  forward(x: Tensor): Tensor {
    return this.fc1.call(this.pool.call(F.relu(this.conv1.call(x))).flatten(1))
  }
}

type Params = nn.Parameter[]
/** An optimizer here and there, with a schedule where there is one. */
interface TrainingCase {
  readonly code: string
  readonly make: (params: Params) => optim.Optimizer<optim.Hyperparameters>
  readonly schedule?: readonly [
    code: string,
    make: (o: optim.Optimizer<optim.Hyperparameters>) => optim.LRScheduler,
  ]
}

const P = 'net.parameters()'
const OPTIMIZERS: readonly TrainingCase[] = [
  { code: `optim.SGD(${P}, lr=0.1)`, make: (p) => new optim.SGD(p, { lr: 0.1 }) },
  {
    code: `optim.SGD(${P}, lr=0.05, momentum=0.9, weight_decay=0.01)`,
    make: (p) => new optim.SGD(p, { lr: 0.05, momentum: 0.9, weightDecay: 0.01 }),
  },
  {
    code: `optim.SGD(${P}, lr=0.05, momentum=0.9, dampening=0.3)`,
    make: (p) => new optim.SGD(p, { lr: 0.05, momentum: 0.9, dampening: 0.3 }),
  },
  {
    code: `optim.SGD(${P}, lr=0.05, momentum=0.8, nesterov=True)`,
    make: (p) => new optim.SGD(p, { lr: 0.05, momentum: 0.8, nesterov: true }),
    schedule: [
      'optim.lr_scheduler.StepLR(optimizer, 10, gamma=0.5)',
      (o) => new optim.StepLR(o, { stepSize: 10, gamma: 0.5 }),
    ],
  },
  {
    code: `optim.Adam(${P})`,
    make: (p) => new optim.Adam(p),
    schedule: [
      'optim.lr_scheduler.ExponentialLR(optimizer, 0.95)',
      (o) => new optim.ExponentialLR(o, { gamma: 0.95 }),
    ],
  },
  {
    code: `optim.Adam(${P}, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)`,
    make: (p) => new optim.Adam(p, { lr: 0.01, betas: [0.8, 0.95], eps: 1e-6, weightDecay: 0.1 }),
    schedule: [
      'optim.lr_scheduler.CosineAnnealingLR(optimizer, 50, eta_min=0.001)',
      (o) => new optim.CosineAnnealingLR(o, { tMax: 50, etaMin: 0.001 }),
    ],
  },
  {
    code: `optim.AdamW(${P}, lr=0.01)`,
    make: (p) => new optim.AdamW(p, { lr: 0.01 }),
    schedule: [
      'optim.lr_scheduler.LambdaLR(optimizer, lambda e: min(1, (e + 1) / 10))',
      (o) => new optim.LambdaLR(o, (e) => Math.min(1, (e + 1) / 10)),
    ],
  },
  {
    code: `optim.RMSprop(${P}, lr=0.003, momentum=0.5, centered=True)`,
    make: (p) => new optim.RMSprop(p, { lr: 0.003, momentum: 0.5, centered: true }),
    schedule: [
      'optim.lr_scheduler.MultiStepLR(optimizer, [5, 30])',
      (o) => new optim.MultiStepLR(o, { milestones: [5, 30] }),
    ],
  },
  {
    code: `optim.Adagrad(${P}, lr=0.1, lr_decay=0.01, weight_decay=0.01)`,
    make: (p) => new optim.Adagrad(p, { lr: 0.1, lrDecay: 0.01, weightDecay: 0.01 }),
  },
]

const STEPS = 50
const KINDS: readonly (readonly [Kind, number])[] = [
  ['float64', 1e-10],
  ['float32', 1e-5],
]

const python = findPython()

describe.skipIf(python === null)('PyTorch agrees', () => {
  if (python === null) return
  const folder = mkdtempSync(path.join(tmpdir(), 'tessera-torch-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const file = (name: string): string => path.join(folder, name)

  const send = async (name: string, net: nn.Module, inputs: Record<string, Tensor>) => {
    const entries = [
      ...Object.entries(net.stateDict()).map(([k, v]) => [`state.${k}`, v] as const),
      ...Object.entries(inputs).map(([k, v]) => [`input.${k}`, v] as const),
    ]
    await io.saveSafetensors(file(name), Object.fromEntries(entries))
  }

  const expectClose = (actual: Tensor, expected: Tensor, tolerance: number, what: string): void => {
    expect(actual.shape, what).toEqual(expected.shape)
    const [a, e] = [actual.dataSync(), expected.dataSync()]
    let worst = 0
    for (let i = 0; i < a.length; i++) {
      const scale = Math.max(1, Math.abs(Number(e[i])))
      worst = Math.max(worst, Math.abs(Number(a[i]) - Number(e[i])) / scale)
    }
    expect(worst, what).toBeLessThanOrEqual(tolerance)
  }

  describe('about layers', () => {
    const nets = LAYERS.map((c) => c.make())
    let inputs: Tensor[][] = []
    let names: string[][] = []

    beforeAll(async () => {
      manualSeed(17)
      inputs = LAYERS.map((c) => c.inputs())
      const cases = []
      for (const [i, { code, train = true }] of LAYERS.entries()) {
        const net = nets[i]!
        // Parameters and averages that are not all ones and zeros.
        for (const [name, p] of [...net.namedParameters(), ...net.namedBuffers()]) {
          if (!name.endsWith('num_batches_tracked'))
            p.assign(rand(p.shape, { dtype: p.dtype as Kind }))
        }
        await send(`${i}.in`, net, Object.fromEntries(inputs[i]!.map((x, k) => [String(k), x])))
        cases.push({ kind: 'layer', code, train, file: `${i}.in`, answer: `${i}.out` })
      }
      const answers = askPython<{ names: string[] }[]>(python, 'torch_training.py', {
        folder,
        cases,
      })
      names = answers.map((a) => a.names)
    }, 120_000)

    test.each(LAYERS.map((c, i) => [`${c.code}${c.train === false ? ', eval' : ''}`, i] as const))(
      '%s',
      async (_, i) => {
        const net = nets[i]!.train(LAYERS[i]!.train ?? true)
        const theirs = await io.loadSafetensors(file(`${i}.out`))
        const [x, ...initial] = inputs[i]!
        // A state of several tensors is one argument, and several results are compared as one.
        const given = initial.length > 1 ? [x, initial] : [x, ...initial]
        const result: unknown = net.call(...(given as Tensor[]))
        const y =
          result instanceof Tensor
            ? result
            : concat((result as Tensor[]).flat(2).map((part) => part.flatten()))
        if (net.parameters().length > 0) y.square().sum().backward()
        expectClose(y, theirs.y!, 1e-9, 'output')
        for (const [name, p] of net.namedParameters()) {
          expectClose(p.grad!, theirs[`grad.${name}`]!, 1e-9, `gradient of ${name}`)
        }
        const state = net.stateDict()
        expect(Object.keys(state)).toEqual(names[i])
        for (const [name, value] of Object.entries(state)) {
          expectClose(value, theirs[`state.${name}`]!, 1e-9, name)
        }
      },
    )
  })

  describe('about training', () => {
    const runs = OPTIMIZERS.flatMap((c) =>
      KINDS.map(([kind, tolerance]) => ({ ...c, kind, tolerance })),
    )
    const started: { readonly net: Digits; readonly x: Tensor; readonly y: Tensor }[] = []
    let answers: { losses: number[]; rates: number[] }[] = []

    beforeAll(async () => {
      manualSeed(23)
      const cases = []
      for (const [i, { code, kind, schedule }] of runs.entries()) {
        const net = new Digits(kind)
        const x = randn([4, 6, 1, 8, 8], { dtype: kind }).realize()
        const y = randint(0, 5, [4, 6]).realize()
        started.push({ net, x, y })
        await send(`t${i}.in`, net, { x, y })
        const shared = { kind: 'training', code: 'Digits()', steps: STEPS, optimizer: code }
        const files = { file: `t${i}.in`, answer: `t${i}.out` }
        cases.push({ ...shared, ...files, ...(schedule && { schedule: schedule[0] }) })
      }
      answers = askPython(python, 'torch_training.py', { folder, cases })
    }, 120_000)

    test.each(runs.map((r, i) => [r.code, r.kind, i] as const))('%s, %s', async (_, __, i) => {
      const { make, schedule, tolerance } = runs[i]!
      const { net, x, y } = started[i]!
      const optimizer = make(net.parameters())
      const scheduler = schedule?.[1](optimizer)
      const step = compile((images: Tensor, labels: Tensor) => {
        optimizer.zeroGrad()
        const loss = F.crossEntropy(net.call(images), labels)
        loss.backward()
        optimizer.step()
        return loss
      })
      const { losses, rates } = answers[i]!
      for (let k = 0; k < STEPS; k++) {
        const loss = step(x.at(k % 4), y.at(k % 4)).item()
        expect(Math.abs(loss - losses[k]!), `loss ${k}`).toBeLessThanOrEqual(tolerance)
        scheduler?.step()
        expect(optimizer.paramGroups[0]!.lr).toBeCloseTo(rates[k]!, 12)
      }
      const theirs = await io.loadSafetensors(file(`t${i}.out`))
      for (const [name, value] of Object.entries(net.stateDict())) {
        expectClose(value, theirs[name]!, tolerance, name)
      }
      const taken = new Digits(runs[i]!.kind)
      taken.loadStateDict(theirs)
      expectClose(taken.call(x.at(0)), net.call(x.at(0)), 10 * tolerance, 'output')
    })
  })
})
