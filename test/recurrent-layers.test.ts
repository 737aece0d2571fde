// Recurrent layers: against numbers PyTorch gave (test/fixtures/recurrent.py), and with wrong arguments.

import { compile, nn, ShapeError, type Tensor, tensor, ValueError, zeros } from 'tessera'
import { describe, expect, test } from 'vitest'
import fixtures from './fixtures/recurrent.json' with { type: 'json' }

const D = { dtype: 'float64' } as const

const sines = (shape: readonly number[], seed: number): Tensor =>
  tensor(
    Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
      Math.sin(seed + 1.7 * i),
    ),
    { shape: [...shape] },
  )

const options = { ...D, numLayers: 2, batchFirst: true, bidirectional: true } as const
const LAYERS = {
  LSTM: () => new nn.LSTM(2, 3, options),
  GRU: () => new nn.GRU(2, 3, options),
  RNN: () => new nn.RNN(2, 3, options),
} as const

const values = (x: Tensor): number[] => [...x.dataSync()]

const expectClose = (actual: readonly number[], expected: readonly number[]): void => {
  expect(actual).toHaveLength(expected.length)
  actual.forEach((v, i) => void expect(v).toBeCloseTo(expected[i] as number, 8))
}

describe.each(['LSTM', 'GRU', 'RNN'] as const)('%s', (kind) => {
  const layer: nn.Module = LAYERS[kind]()
  layer.parameters().forEach((p, i) => void p.assign(sines(p.shape as number[], i)))
  const x = sines([8, 4, 2], 100)
  const call = (input: Tensor): Tensor[] =>
    (layer.call(input) as unknown as (Tensor | Tensor[])[]).flat()

  test('gives what PyTorch gives, and its gradients', () => {
    const input = tensor(x.dataSync(), { shape: [8, 4, 2], requiresGrad: true })
    const outputs = call(input)
    const picked = outputs.flatMap((y) => values(y).filter((_, i) => i % 5 === 0))
    expectClose(picked, fixtures[kind].outputs)
    const total = outputs.map((y) => y.square().sum()).reduce((a, b) => a.add(b))
    total.backward()
    const grads = [input, ...layer.parameters()].map((p) => p.grad!.sum().item())
    expectClose(grads, fixtures[kind].gradients)
  })

  test('is the same compiled, and goes on from a state', () => {
    const outputs = call(x).map((y) => y.array())
    expect(compile(call)(x).map((y) => y.array())).toEqual(outputs)
  })
})

test('an LSTM goes on where it stopped, step by step as its cell', () => {
  const lstm = new nn.LSTM(2, 3, D)
  const x = sines([6, 2, 2], 1)
  const [whole, last] = lstm.call(x)
  const [begun, state] = lstm.call(x.narrow(0, 0, 4))
  const [rest, end] = lstm.call(x.narrow(0, 4, 2), state)
  const parts = [...values(begun), ...values(rest)]
  expectClose(parts, values(whole))
  expectClose(values(end[1]), values(last[1]))

  const cell = new nn.LSTMCell(2, 3, D)
  const names = Object.entries(lstm.stateDict()).map(([k, v]) => [k.replace('_l0', ''), v])
  cell.loadStateDict(Object.fromEntries(names))
  let h: [Tensor, Tensor] | undefined
  for (let i = 0; i < 6; i++) h = cell.call(x.select(0, i), h)
  expectClose(values(h![0]), values(last[0]))
})

test('layers say what they are, and have PyTorch’s names', () => {
  const lstm = new nn.LSTM(4, 5, { numLayers: 2, batchFirst: true, dropout: 0.1 })
  expect(String(lstm)).toBe('LSTM(4, 5, numLayers=2, batchFirst=true, dropout=0.1)')
  expect(lstm.namedParameters().map(([name]) => name)).toEqual(
    ['l0', 'l1'].flatMap((l) =>
      ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'].map((n) => `${n}_${l}`),
    ),
  )
  const bound = 1 / Math.sqrt(5)
  for (const p of lstm.parameters()) {
    expect(p.abs().max().item()).toBeLessThanOrEqual(bound)
    expect(p.abs().max().item()).toBeGreaterThan(bound / 2)
  }
})

test.each<[string, () => unknown, new (...args: never[]) => Error, RegExp]>([
  [
    'features',
    () => new nn.LSTM(4, 5).call(zeros([3, 2, 3])),
    ShapeError,
    /LSTM: Expected input \[time, batch, 4\]/,
  ],
  [
    'a state',
    () => new nn.GRU(4, 5).call(zeros([3, 2, 4]), zeros([2, 2, 5])),
    ShapeError,
    /GRU: Expected a state of float32 \[1, 2, 5\]/,
  ],
  ['a size', () => new nn.RNN(4, 0), ValueError, /hiddenSize/],
  [
    'a nonlinearity',
    () => new nn.RNNCell(4, 5, { nonlinearity: 'sine' as never }),
    ValueError,
    /'tanh' or 'relu'/,
  ],
  ['a probability', () => new nn.LSTM(4, 5, { dropout: 2 }), ValueError, /dropout in/],
  [
    'a cell’s input',
    () => new nn.GRUCell(4, 5).call(zeros([2, 3])),
    ShapeError,
    /GRUCell: Expected input \[batch, 4\]/,
  ],
])('refuses %s that does not fit', (_, call, kind, message) => {
  expect(call).toThrow(kind)
  expect(call).toThrow(message)
})
