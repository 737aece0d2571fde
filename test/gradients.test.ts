// Reverse mode as a transform of graphs: what it keeps, what it refuses, gradients of gradients.

import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../src/backends/reference/evaluate.js'
import { GradientError } from '../src/base/errors.js'
import * as b from '../src/ir/build.js'
import * as c from '../src/ir/composites/index.js'
import { apply, type CallSite, type Node, topological } from '../src/ir/node.js'
import { type Attrs, define, type NDArray, NO_ATTRS } from '../src/ir/op.js'
import '../src/ir/primitives/index.js'
import { parameter } from '../src/ir/primitives/source.js'
import { verify } from '../src/ir/verify.js'
import { isExpanded } from '../src/transforms/expand.js'
import { expandComposites, gradients, gradOf } from '../src/transforms/grad.js'

const bindings = new Map<Node, NDArray>()
function input(...values: number[]): Node {
  const shape = values.length === 1 ? [] : [values.length]
  const node = parameter(shape, 'float64')
  bindings.set(node, { shape, dtype: 'float64', data: Float64Array.from(values) })
  return node
}
const values = (...nodes: Node[]): number[][] =>
  evaluateGraph(nodes, bindings).map((a) => Array.from(a.data as Float64Array))
const sum = (x: Node): Node =>
  b.reduceSum(
    x,
    x.shape.map((_, i) => i),
  )
const site = (line: number): CallSite => ({ file: 'a.ts', line, column: 1, functionName: 'f' })

/** (x, y) to (x y, x + y), without a rule of its own. */
const productAndSum = define<Attrs>({
  name: 'test.productAndSum',
  attrs: {},
  infer: ([x]) => [x!, x!],
  expand: ([x, y]) => [b.mul(x!, y!), b.add(x!, y!)],
  samples: () => [],
})
const opaque = define<Attrs>({
  name: 'test.opaque',
  attrs: {},
  infer: ([x]) => x!,
  evaluate: ([x]) => [x!],
  samples: () => [],
})

describe('gradients', () => {
  it('adds up every use of a node', () => {
    const x = input(3)
    const y = b.mul(x, x)
    const [g] = gradients([b.add(b.mul(y, x), y)], [x])
    expect(values(g!)).toEqual([[33]])
  })

  it('weighs outputs by seeds, and takes those of one element as 1', () => {
    const x = input(1, 2)
    const [g] = gradients([b.mul(x, x), sum(x)], [x], [input(10, 100)])
    expect(values(g!)).toEqual([[21, 401]])
  })

  it('is null where nothing flows, and stops at stopGradient and integers', () => {
    const [x, y] = [input(1, 2), input(3, 4)]
    const blocked = b.add(b.stopGradient(x), b.cast(b.cast(x, 'int32'), 'float64'))
    const [gx, gy] = gradients([sum(b.mul(blocked, y))], [x, y])
    expect(gx).toBeNull()
    expect(values(gy!)).toEqual([[2, 4]])
  })

  it('takes inner nodes too, and passes on to what they depend on', () => {
    const x = input(2)
    const y = b.mul(x, x)
    const z = b.mul(y, y)
    const [gz, gy, gx] = gradients([z], [z, y, x])
    expect(values(gz!, gy!, gx!)).toEqual([[1], [8], [32]])
  })

  it('goes through a composite without a rule by its body, each result for itself', () => {
    const [x, y] = [input(2), input(5)]
    const both = apply(productAndSum, [x, y], NO_ATTRS)
    const [gx, gy] = gradients([b.mul(b.output(both, 1), x)], [x, y])
    expect(values(gx!, gy!)).toEqual([[9], [2]])
    const [px] = gradients([b.output(both, 0), b.output(both, 1)], [x], [null, input(10)])
    expect(values(px!)).toEqual([[15]])
  })

  it('counts an input given twice twice, also through a body', () => {
    const x = input(3)
    const both = apply(productAndSum, [x, x], NO_ATTRS)
    expect(values(gradients([b.output(both, 0)], [x])[0]!)).toEqual([[6]])
    const chained = apply(productAndSum, [x, b.mul(x, x)], NO_ATTRS)
    expect(values(gradients([b.output(chained, 0)], [x])[0]!)).toEqual([[27]])
  })

  it('names an operation that has no gradient, only where one is needed', () => {
    const x = input(1)
    const y = apply(opaque, [x], NO_ATTRS)
    expect(() => gradients([y], [x])).toThrow(GradientError)
    expect(() => gradients([y], [x])).toThrow('test.opaque: Expected an operation with a gradient')
    expect(() => gradients([b.mul(y, y)], [y])).not.toThrow()
  })

  it('refuses integers, and large outputs without a seed', () => {
    const [x, n] = [input(1, 2), parameter([], 'int32')]
    expect(() => gradients([n], [x])).toThrow('gradients: Expected tensors of a float dtype')
    expect(() => gradients([sum(x)], [n])).toThrow('Received int32')
    expect(() => gradients([x], [x])).toThrow(
      'gradients: Expected a scalar to differentiate, or the gradient to start from. Received shape [2].',
    )
  })

  it('gives equal graphs for equal programs', () => {
    const program = (): string[] => {
      const x = input(1, 2, 3)
      const y = c.softmax(b.mul(b.sin(x), x), [0])
      return topological([gradients([sum(b.mul(y, x))], [x])[0]!]).map((n) => n.op.name)
    }
    expect(program()).toEqual(program())
  })

  it('walks a hundred thousand nodes without a stack', () => {
    const x = input(1)
    let y = x
    for (let i = 0; i < 100_000; i++) y = b.neg(y)
    const g = gradOf(y, [x])
    expect(values(y, b.output(g, 0))).toEqual([[1], [1]])
    let z = x
    for (let i = 0; i < 20_000; i++) z = i % 2 === 0 ? c.relu(z) : b.mul(z, x)
    expect(values(z, gradients([z], [x])[0]!)).toEqual([[1], [10_001]])
  })

  it('gives each new node the line of the node it differentiates', () => {
    const x = input(2)
    const y = b.sin(x)
    y.site = site(1)
    const z = c.silu(y)
    z.site = site(2)
    const [g] = expandComposites(gradients([z], [x]) as Node[])
    const made = topological([g!]).filter((n) => n.op.name !== 'param')
    expect(new Set(made.map((n) => n.site?.line))).toEqual(new Set([1, 2]))
    expect(x.site).toBeNull()
  })
})

describe('gradOf', () => {
  it('is one node, and zeros where nothing is reached', () => {
    const [x, y] = [input(1, 2), input(3, 4, 5)]
    const g = gradOf(sum(b.mul(x, x)), [x, y])
    expect(g.outputs).toEqual([x, y].map(({ shape, dtype }) => ({ shape, dtype })))
    expect(values(b.output(g, 0), b.output(g, 1))).toEqual([
      [2, 4],
      [0, 0, 0],
    ])
    verify([b.output(g, 1)])
  })

  it('takes several roots and seeds', () => {
    const x = input(1, 2)
    const g = gradOf([b.mul(x, x), sum(x)], [x], [input(10, 100), null])
    expect(values(b.output(g, 0))).toEqual([[21, 401]])
  })

  it('can be differentiated, again and again', () => {
    const x = input(2)
    const fourth = b.mul(b.mul(x, x), b.mul(x, x))
    let d = fourth
    const found: number[] = []
    for (let i = 0; i < 4; i++) {
      d = b.output(gradOf(d, [x]), 0)
      found.push(values(d)[0]![0]!)
    }
    expect(found).toEqual([32, 48, 48, 24])
    expect(values(gradients([b.output(gradOf(fourth, [x]), 0)], [x])[0]!)).toEqual([[48]])
  })

  it('differentiates composites by their own rules before they are taken apart', () => {
    const x = input(-1000, 0, 1000)
    const loss = sum(c.softplus(x))
    const [g] = expandComposites([b.output(gradOf(loss, [x]), 0)])
    expect(isExpanded([g!])).toBe(true)
    expect(topological([g!]).some((n) => n.op.name === 'log1p')).toBe(false)
    expect(values(g!)).toEqual([[0, 0.5, 1]])
  })

  it('follows the graph when what is below it is rewritten', () => {
    const x = input(0.5)
    const inner = c.sigmoid(b.output(gradOf(c.silu(x), [x]), 0))
    const outer = b.output(gradOf(b.mul(inner, c.gelu(x)), [x, inner]), 1)
    expect(values(outer, c.gelu(x))[0]).toEqual(values(c.gelu(x))[0])
  })

  it('refuses what gradients refuses', () => {
    const x = input(1, 2)
    expect(() => gradOf(x, [x])).toThrow(GradientError)
    expect(() => gradOf(sum(x), [parameter([], 'int32')])).toThrow('gradOf: Expected tensors')
  })
})

describe('expandComposites', () => {
  it('keeps the nodes below which nothing changes, and what is noted on the others', () => {
    const x = input(1, 2)
    const kept = b.exp(x)
    const above = b.neg(c.relu(kept))
    above.site = site(7)
    above.name = 'above'
    above.needsGrad = true
    const [same, changed] = expandComposites([kept, above])
    expect(same).toBe(kept)
    expect(changed).not.toBe(above)
    expect(topological([changed!])).toContain(kept)
    expect(changed).toMatchObject({ site: site(7), name: 'above', needsGrad: true })
    expect(expandComposites([changed!])[0]).toBe(changed)
  })

  it('leaves leaves alone, with all that is below them', () => {
    const x = input(1, 2)
    const leaf = c.relu(x)
    const root = b.neg(leaf)
    expect(expandComposites([root], (n) => n === leaf)).toEqual([root])
  })
})
