// Open sizes: a graph built on them, with the sizes put in, is the graph built on known sizes.

import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../../src/backends/reference/evaluate.js'
import { type Dim, type DimEnv, dimAdd, dimSubstitute, SymDim } from '../../src/base/dim.js'
import {
  formatShape,
  type Shape,
  sizeOf,
  staticShape,
  substituteShape,
} from '../../src/base/shape.js'
import * as b from '../../src/ir/build.js'
import { batchNorm, layerNorm } from '../../src/ir/composites/norm.js'
import { avgPool, maxPool } from '../../src/ir/composites/pool.js'
import { apply, type Node } from '../../src/ir/node.js'
import type { Attrs, AttrValue, NDArray } from '../../src/ir/op.js'
import { convAttrs } from '../../src/ir/primitives/convsamples.js'
import { gradients } from '../../src/transforms/grad.js'
import { rewrite } from '../../src/transforms/rewrite.js'
import '../../src/ir/primitives/index.js'
import { parameter } from '../../src/ir/primitives/source.js'

const N = SymDim.symbol('n')
const H = SymDim.symbol('h')
const W = SymDim.symbol('w')

/** The graph with sizes put in, every type inferred anew, and the parameters that took others' places. */
function substitute(
  roots: readonly Node[],
  env: DimEnv,
): { roots: Node[]; moved: Map<Node, Node> } {
  const moved = new Map<Node, Node>()
  const result = rewrite(roots, (node, inputs) => {
    if (node.op.name === 'param') {
      const known = parameter(substituteShape(node.shape, env), node.dtype)
      moved.set(node, known)
      return [known]
    }
    const attrs: Record<string, AttrValue> = { ...node.attrs }
    for (const [name, kind] of Object.entries(node.op.attrs)) {
      if (kind !== 'dims') continue
      attrs[name] = (attrs[name] as readonly Dim[]).map((d) => dimSubstitute(d, env))
    }
    const made = apply(node.op, inputs, attrs as Attrs)
    return made.outputs === null ? [made] : made.outputs.map((_, i) => b.output(made, i))
  })
  return { roots: result, moved }
}

type Sizes = Readonly<Record<'n' | 'h' | 'w', Dim>>

interface Case {
  readonly name: string
  readonly inputs: readonly Shape[]
  /** The shape that is inferred, printed. */
  readonly shape: string
  readonly build: (inputs: readonly Node[], sizes: Sizes) => Node
}

const indices = (): Node => b.iota([3], 0, 'int32')
const zero = (): Node => b.constant(0, 'float32')

const CASES: readonly Case[] = [
  {
    name: 'reshape',
    inputs: [[N, 4, 3]],
    shape: '[n, 12]',
    build: ([x], { n }) => b.reshape(x!, [n, 12]),
  },
  {
    name: 'reshape to a product',
    inputs: [[N, 4, 3]],
    shape: '[4*n, 3]',
    build: ([x], { n }) => b.reshape(x!, [sizeOf([n, 4]), 3]),
  },
  {
    name: 'transpose',
    inputs: [[N, 4, 3]],
    shape: '[3, n, 4]',
    build: ([x]) => b.transpose(x!, [2, 0, 1]),
  },
  { name: 'reverse', inputs: [[N, 4]], shape: '[n, 4]', build: ([x]) => b.reverse(x!, [0, 1]) },
  {
    name: 'broadcast',
    inputs: [[N, 1]],
    shape: '[n, 5]',
    build: ([x], { n }) => b.broadcast(x!, [n, 5]),
  },
  {
    name: 'broadcast over the batch',
    inputs: [[1, 5]],
    shape: '[n, 5]',
    build: ([x], { n }) => b.broadcast(x!, [n, 5]),
  },
  {
    name: 'slice',
    inputs: [[N, 5]],
    shape: '[n + -1, 2]',
    build: ([x], { n }) => b.slice(x!, [1, 0], [n, 4], [1, 2]),
  },
  {
    name: 'slice with a step',
    inputs: [[N]],
    shape: '[((n + 1)//2)]',
    build: ([x], { n }) => b.slice(x!, [0], [n], [2]),
  },
  {
    name: 'pad',
    inputs: [[N, 3]],
    shape: '[2*n + 1, 2]',
    build: ([x]) => b.pad(x!, zero(), [2, -1], [0, 0], [1, 0]),
  },
  {
    name: 'pad by an open size',
    inputs: [[3]],
    shape: '[n + 2]',
    build: ([x], { n }) => b.pad(x!, zero(), [dimAdd(n, -1)], [0]),
  },
  {
    name: 'concat',
    inputs: [
      [N, 2],
      [N, 2],
      [4, 2],
    ],
    shape: '[2*n + 4, 2]',
    build: (parts) => b.concat(parts, 0),
  },
  {
    name: 'dot',
    inputs: [
      [N, 4],
      [3, 4],
    ],
    shape: '[n, 3]',
    build: ([x, w]) =>
      b.dot([x!, w!], { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [1] }),
  },
  {
    name: 'batched dot',
    inputs: [
      [N, H, 4],
      [N, 4, 2],
    ],
    shape: '[n, h, 2]',
    build: ([x, w]) =>
      b.dot([x!, w!], { leftBatch: [0], rightBatch: [0], leftContract: [2], rightContract: [1] }),
  },
  {
    name: 'conv, open batch',
    inputs: [
      [N, 2, 5, 5],
      [3, 2, 3, 3],
    ],
    shape: '[n, 3, 3, 3]',
    build: ([x, w]) =>
      b.conv([x!, w!], convAttrs(2, { strides: [2, 2], low: [1, 1], high: [1, 1] })),
  },
  {
    name: 'conv, open batch, groups',
    inputs: [
      [N, 4, 4, 4],
      [6, 2, 3, 3],
    ],
    shape: '[n, 6, 2, 2]',
    build: ([x, w]) => b.conv([x!, w!], convAttrs(2, { groups: 2 })),
  },
  {
    name: 'conv, all open',
    inputs: [
      [N, 2, H, W],
      [3, 2, 3, 2],
    ],
    shape: '[n, 3, ((h + -1)//2) + 1, ((w + -1)//3) + 1]',
    build: ([x, w]) =>
      b.conv([x!, w!], convAttrs(2, { strides: [2, 3], low: [1, 0], high: [1, 1] })),
  },
  {
    name: 'conv, all open, dilated',
    inputs: [
      [N, 2, H, W],
      [2, 2, 2, 2],
    ],
    shape: '[n, 2, 2*h + -3, ((w + -3)//2) + 1]',
    build: ([x, w]) =>
      b.conv(
        [x!, w!],
        convAttrs(2, { inputDilation: [2, 1], strides: [1, 2], kernelDilation: [2, 2] }),
      ),
  },
  {
    name: 'unfold',
    inputs: [[N, H]],
    shape: '[n, ((h + -3)//2) + 1, 3]',
    build: ([x]) => b.unfold(x!, { size: [3], strides: [2], dilation: [1] }),
  },
  {
    name: 'fold',
    inputs: [[N, dimAdd(H, -2), 3]],
    shape: '[n, h]',
    build: ([x], { h }) => b.fold(x!, { size: [3], strides: [1], dilation: [1], spatial: [h] }),
  },
  {
    name: 'gather',
    inputs: [[5, N]],
    shape: '[3, n]',
    build: ([x]) => b.gather(x!, indices(), 0),
  },
  {
    name: 'scatterAdd',
    inputs: [
      [5, N],
      [3, N],
    ],
    shape: '[5, n]',
    build: ([x, u]) => b.scatterAdd(x!, indices(), u!, 0),
  },
  {
    name: 'scatterSet, as many as open',
    inputs: [
      [9, 2],
      [N, 2],
    ],
    shape: '[9, 2]',
    build: ([x, u], { n }) => b.scatterSet(x!, b.iota([n], 0, 'int32'), u!, 0),
  },
  {
    name: 'dynamicSlice',
    inputs: [[N, 6]],
    shape: '[n, 2]',
    build: ([x], { n }) =>
      b.dynamicSlice(x!, [b.constant(0, 'int32'), b.constant(3, 'int32')], [n, 2]),
  },
  {
    name: 'dynamicUpdate',
    inputs: [
      [N, 6],
      [N, 2],
    ],
    shape: '[n, 6]',
    build: ([x, u]) => b.dynamicUpdate(x!, u!, [b.constant(0, 'int32'), b.constant(3, 'int32')]),
  },
  {
    name: 'maxPool, side by side',
    inputs: [[N, 2, H, W]],
    shape: '[n, 2, ((h)//2), ((w)//2)]',
    build: ([x]) => maxPool(x!, [2, 2]),
  },
  {
    name: 'maxPool, overlapping',
    inputs: [[N, 2, H]],
    shape: '[n, 2, ((h + -1)//2) + 1]',
    build: ([x]) => maxPool(x!, [3], { strides: [2], padding: [1] }),
  },
  {
    name: 'avgPool',
    inputs: [[N, 1, H]],
    shape: '[n, 1, ((h + -1)//2) + 1]',
    build: ([x]) => avgPool(x!, [3], { strides: [2], padding: [1], countIncludePad: false }),
  },
  {
    name: 'layerNorm',
    inputs: [[N, 4], [4], [4]],
    shape: '[n, 4]',
    build: ([x, w, c]) => layerNorm(x!, w!, c!, { rank: 1 }),
  },
  {
    name: 'batchNorm',
    inputs: [[N, 2, H], [2], [2]],
    shape: '[n, 2, h]',
    build: ([x, w, c]) => batchNorm(x!, w!, c!)[0],
  },
]

/** Σ y² and its gradients: what depends on every element of the result. */
function study(inputs: readonly Node[], y: Node): Node[] {
  const loss = b.reduceSum(
    b.mul(y, y),
    y.shape.map((_, i) => i),
  )
  return [y, ...(gradients([loss], inputs) as Node[])]
}

const values = (node: Node, seed: number): NDArray => {
  const shape = staticShape('values', node.shape)
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(7.3 * i + seed))
  return { shape, dtype: 'float32', data }
}

describe.each(CASES)('$name', ({ inputs, shape, build }) => {
  const open = inputs.map((s) => parameter(s, 'float32'))
  const graph = study(open, build(open, { n: N, h: H, w: W }))

  it('has a shape, and gradients of the shapes of its inputs', () => {
    expect(formatShape(graph[0]!.shape)).toBe(shape)
    expect(graph.slice(1).map((g) => formatShape(g.shape))).toEqual(inputs.map(formatShape))
  })

  it.each([
    { n: 2, h: 5, w: 6 },
    { n: 3, h: 8, w: 7 },
    { n: 1, h: 6, w: 11 },
  ])('is what known sizes give for %o', (sizes) => {
    const env = new Map(Object.entries(sizes))
    const put = substitute(graph, env)
    // A graph that does not look at a parameter does not know it either.
    const known = open.map(
      (x) => put.moved.get(x) ?? parameter(substituteShape(x.shape, env), x.dtype),
    )
    const bindings = new Map(known.map((x, i) => [x, values(x, i)] as const))
    const expected = evaluateGraph(study(known, build(known, sizes)), bindings)
    const actual = evaluateGraph(put.roots, bindings)
    expect(actual).toHaveLength(expected.length)
    actual.forEach((a, i) => {
      expect(a.shape).toEqual(expected[i]!.shape)
      a.data.forEach((v, k) => {
        expect(Number(v)).toBeCloseTo(Number(expected[i]!.data[k]), 4)
      })
    })
  })
})
