// Methods on tensors with sizes that are not known yet: shapes now, values once a size is given.

import { describe, expect, test } from 'vitest'
import { evaluateGraph } from '../backends/reference/evaluate.js'
import { SymDim } from '../base/dim.js'
import { ShapeError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import { parameter } from '../ir/primitives/source.js'
import { substituteSizes } from '../transforms/substitute.js'
import { expose } from './core.js'
import { arange, ones, type Tensor } from './index.js'

const n = SymDim.symbol('n')

/** The shape of f's result for [n, 4], and its values when the tensor is 0 to 11 in three rows. */
function trial(f: (x: Tensor) => Tensor): { shape: string; values: number[] } {
  const x = expose(parameter([n, 4], 'float32'))
  const fed = parameter([3, 4], 'float32')
  const result = f(x).node
  const now = substituteSizes([result], new Map([['n', 3]]), (node) =>
    node === x.node ? fed : node.value === null ? null : node,
  )
  const bindings = new Map([
    [fed, { shape: [3, 4], dtype: 'float32' as const, data: counts.dataSync() }],
  ])
  const [value] = evaluateGraph([now(result)], bindings)
  return { shape: formatShape(result.shape), values: Array.from(value!.data, Number) }
}
const counts = arange(12, { dtype: 'float32' })
const all = Array.from(counts.dataSync(), Number)

describe('sizes stay open', () => {
  test.each<[string, (x: Tensor) => Tensor, string, number[]]>([
    ['add', (x) => x.add(1), '[n, 4]', all.map((v) => v + 1)],
    ['sum', (x) => x.sum(0), '[4]', [12, 15, 18, 21]],
    ['mean', (x) => x.mean(), '[]', [5.5]],
    ['mean over the open axis', (x) => x.mean(0), '[4]', [4, 5, 6, 7]],
    ['var', (x) => x.var({ axis: 0 }), '[4]', [16, 16, 16, 16]],
    ['max', (x) => x.max({ axis: 1, keepDims: true }), '[n, 1]', [3, 7, 11]],
    ['argmax', (x) => x.argmax(1), '[n]', [3, 3, 3]],
    ['softmax', (x) => x.mul(0).softmax(), '[n, 4]', all.map(() => 0.25)],
    ['reshape', (x) => x.reshape([-1, 2]), '[2*n, 2]', all],
    ['flatten', (x) => x.flatten(), '[4*n]', all],
    ['unsqueeze', (x) => x.unsqueeze(1), '[n, 1, 4]', all],
    ['T', (x) => x.T.sum(0), '[n]', [6, 22, 38]],
    ['tile', (x) => x.sum(1).tile([2]), '[2*n]', [6, 22, 38, 6, 22, 38]],
    ['flip', (x) => x.sum(1).flip(), '[n]', [38, 22, 6]],
    ['pad', (x) => x.sum(1).pad([1, 0]), '[n + 1]', [0, 6, 22, 38]],
    ['position', (x) => x.at('1'), '[4]', [4, 5, 6, 7]],
    ['position from the end', (x) => x.at('-1, 0'), '[]', [8]],
    ['range', (x) => x.at('1:, 0'), '[n + -1]', [4, 8]],
    ['range from the end', (x) => x.at(':-1, 0'), '[n + -1]', [0, 4]],
    ['reversed', (x) => x.at('::-1, 0'), '[n]', [8, 4, 0]],
    ['index tensor', (x) => x.at([arange(2), 1]), '[2]', [1, 5]],
    ['matmul', (x) => x.matmul(ones([4, 1])), '[n, 1]', [6, 22, 38]],
    ['split', (x) => x.split(2, 1)[1]!.sum(0), '[2]', [18, 21]],
    ['triu', (x) => x.triu().sum(0), '[4]', [0, 6, 18, 21]],
    ['std', (x) => x.std(0), '[4]', [4, 4, 4, 4]],
    ['norm', (x) => x.norm({ axis: 1, p: 1 }), '[n]', [6, 22, 38]],
    ['oneHot', (x) => x.argmax(1).oneHot(4).sum(0), '[4]', [0, 0, 0, 3]],
    ['clamp', (x) => x.clamp({ max: 1 }).sum(1), '[n]', [3, 4, 4]],
  ])('%s', (_, f, shape, values) => {
    expect(trial(f)).toEqual({ shape, values })
  })
})

describe('what needs to know a size says so', () => {
  test.each<[string, (x: Tensor) => unknown, string]>([
    ['split', (x) => x.split(2), 'split: Expected axis 0 of a known size. Received [n, 4].'],
    ['unbind', (x) => x.unbind(), 'unbind: Expected axis 0 of a known size. Received [n, 4].'],
    ['roll', (x) => x.roll(1, 0), 'roll: Expected axis 0 of a known size. Received [n, 4].'],
    [
      'a step',
      (x) => x.at('::-2'),
      'at: Expected axis 0 of a known size for a step of -2. Received n.',
    ],
    [
      'gather',
      (x) => x.gather(0, [[0]]),
      'gather: Expected a tensor whose sizes are known. Received [n, 4].',
    ],
    [
      'reflection',
      (x) =>
        x.pad(
          [
            [0, 0],
            [4, 0],
          ],
          { mode: 'reflect' },
        ),
      'pad: Expected padding of at most 3',
    ],
  ])('%s', (_, f, message) => {
    const x = expose(parameter([n, 4], 'float32'))
    expect(() => f(x)).toThrow(message)
    expect(() => f(x)).toThrow(ShapeError)
  })
})
