// Building graphs: names, types, shapes, and that nothing is computed.

import { describe, expect, test } from 'vitest'
import { DTypeError, ShapeError, TraceError, ValueError } from '../base/errors.js'
import * as nn from '../nn/index.js'
import * as F from '../tensor/functions.js'
import {
  backward,
  compile,
  gradients,
  keep,
  type Tensor,
  tensor,
  variable,
} from '../tensor/index.js'
import * as graph from './index.js'

const { Graph, Session } = graph

describe('names and operations', () => {
  test('unnamed operations are numbered by type', () => {
    const g = new Graph()
    const a = g.constant(2)
    const b = g.constant(3)
    const c = a.add(b)
    expect([a, b, c, c.mul(a)].map((x) => x.name)).toEqual([
      'Const:0',
      'Const_1:0',
      'Add:0',
      'Mul:0',
    ])
    expect(c.op.inputs).toEqual([a, b])
    expect([c.dtype, c.shape]).toEqual(['int32', []])
  })

  test('methods are one operation each, whatever they are made of', () => {
    const g = new Graph()
    const x = g.placeholder('float32', [null, 3], { name: 'x' })
    const types = [x.mean(), x.softmax(), x.log2(), x.var(), x.at('0, ::-1'), x.T].map(
      (y) => y.op.type,
    )
    expect(types).toEqual(['Mean', 'Softmax', 'Log2', 'Var', 'StridedSlice', 'Transpose'])
    expect(g.operations.map((op) => op.name)).toEqual(['x', ...types])
    for (const op of g.operations.slice(1)) expect(op.inputs).toEqual([x])
  })

  test('free functions are operations too', () => {
    const g = new Graph()
    const x = g.placeholder('float32', [2, 3], { name: 'x' })
    expect(F.add(x, 1).name).toBe('Add:0')
    expect(F.matmul(x, g.ones([3, 1])).op.type).toBe('MatMul')
    expect(F.relu(x).op.type).toBe('Relu')
  })

  test('a method with several results gives :0 :1 :2', () => {
    const g = new Graph()
    const x = g.constant([1, 2, 3, 4, 5, 6])
    const parts = g.split(x, 3, { name: 'parts' })
    expect(parts.map((p) => p.name)).toEqual(['parts:0', 'parts:1', 'parts:2'])
    expect(g.getTensorByName('parts:1')).toBe(parts[1])
    const { values, indices } = x.maxWithIndices(0)
    expect(values.op).toBe(indices.op)
    expect([values.name, indices.name]).toEqual(['MaxWithIndices:0', 'MaxWithIndices:1'])
  })

  test('a method with nothing to do returns its tensor', () => {
    const g = new Graph()
    const x = g.constant([1.5, 2.5])
    expect(x.cast('float32')).toBe(x)
    expect(g.cast(x, 'float32', { name: 'same' }).name).toBe('same:0')
    expect(x.name).toBe('Const:0')
  })

  test('named renames, and frees the name it had', () => {
    const g = new Graph()
    const x = g.constant(1)
    const y = g.named(x.add(1), 'total')
    expect(y.name).toBe('total:0')
    expect(g.getTensorByName('total:0')).toBe(y)
    expect(x.add(2).name).toBe('Add:0')
    expect(() => g.getOperationByName('Add_1')).toThrow(ValueError)
  })

  test('scopes nest, and number themselves', () => {
    const g = new Graph()
    const inside = () => g.nameScope('inner', () => g.constant(1, { name: 'c' })).name
    expect(g.nameScope('outer', inside)).toBe('outer/inner/c:0')
    expect(g.nameScope('outer', inside)).toBe('outer_1/inner/c:0')
  })

  test('lookups of what is not there say so', () => {
    const g = new Graph()
    g.constant(1, { name: 'a' })
    expect(() => g.getOperationByName('b')).toThrow(
      "Expected an operation of this graph. Received 'b'.",
    )
    expect(() => g.getOperationByName('a:0')).toThrow('use getTensorByName')
    expect(() => g.getTensorByName('a')).toThrow("a name like 'add:0'")
    expect(() => g.getTensorByName('a:1')).toThrow('one of 1 results of a')
  })
})

describe('a graph has no values', () => {
  test('reading throws, and names the tensor', async () => {
    const g = new Graph()
    const x = g.constant([1, 2], { name: 'x' })
    for (const read of [
      () => x.dataSync(),
      () => x.item(),
      () => x.array(),
      () => x.realize(),
      () => x.at('0').item(),
    ]) {
      expect(read).toThrow(TraceError)
    }
    await expect(x.data()).rejects.toThrow(/session\.run\(x\).*'x:0'/)
    expect(String(x)).toBe("Tensor('x:0', int32, [2])")
    expect(() => x.sum().backward()).toThrow(/gradients\(ys, xs\)/)
  })

  test('an open size is symbolic, and shows as ?', () => {
    const g = new Graph()
    const x = g.placeholder('float32', [null, 4], { name: 'x' })
    expect(String(x)).toBe("Tensor('x:0', float32, [?, 4])")
    const y = x.reshape([-1]).add(1)
    expect(String(y)).toContain('[?]')
    expect(() => x.size).toThrow(ShapeError)
  })

  test('mistakes show where they are made', () => {
    const g = new Graph()
    const x = g.placeholder('float32', [null, 4])
    expect(() => x.matmul(g.ones([5, 2]))).toThrow(ShapeError)
    expect(() => x.add(g.ones([3]))).toThrow(ShapeError)
    expect(() => g.placeholder('float32', [-1])).toThrow(ShapeError)
  })
})

describe('strict types', () => {
  test('mixed dtypes are refused, naming operation, input and both', () => {
    const g = new Graph()
    const a = g.constant([1, 2])
    const b = g.constant([1.5, 2])
    expect(() => a.add(b)).toThrow(
      'add: Expected input 1 of dtype int32, as input 0 is. Received float32',
    )
    expect(() => b.matmul(a)).toThrow(DTypeError)
    expect(() => g.less(a, b)).toThrow(DTypeError)
    expect(() => a.mul(0.5)).toThrow(DTypeError)
    expect(() => tensor([1, 2]).add(b)).toThrow(DTypeError)
    expect(a.mul(2).dtype).toBe('int32')
    expect(b.mul(2).dtype).toBe('float32')
  })

  test('a graph may promote instead', () => {
    const g = new Graph({ strictTypes: false })
    expect(g.constant([1, 2]).add(g.constant([1.5, 2])).dtype).toBe('float32')
  })

  test('eager code beside a graph still promotes', () => {
    const g = new Graph()
    expect(() => g.constant(1).add(g.constant(1.5))).toThrow(DTypeError)
    expect(tensor([1, 2]).add(tensor([0.5, 1])).dtype).toBe('float32')
  })
})

describe('what mixes with a graph', () => {
  test('an eager tensor becomes a constant', () => {
    const g = new Graph()
    const x = g.placeholder('float32', [2], { name: 'x' })
    const pending = tensor([1.5, 2.5]).mul(2)
    const y = x.add(pending)
    expect((y as graph.GraphTensor).op.inputs.map((t) => t.name)).toEqual(['x:0', 'Const:0'])
    const other = pending.add(x)
    expect(other).toBeInstanceOf(graph.GraphTensor)
    using session = new Session(g)
    expect(session.run([y, other], { feed: { x: [1, 1] } }).map((t) => t.array())).toEqual([
      [4, 6],
      [4, 6],
    ])
  })

  test('an eager variable stays one: every run reads it', () => {
    const g = new Graph()
    const w = variable([1.5])
    const y = g.constant([2.5]).mul(w)
    using session = new Session(g)
    expect(session.run(y).item()).toBe(3.75)
    w.assign(tensor([3.0], { dtype: 'float32' }))
    expect(session.run(y).item()).toBe(7.5)
    w.assignAdd(1)
    w.assignAdd(1)
    w.assignAdd(1)
    expect(session.run(y).item()).toBe(15)
  })

  test('an eager variable cannot be assigned a graph tensor', () => {
    const g = new Graph()
    const w = variable([1.5])
    expect(() => w.assign(g.constant([2.5]))).toThrow(TraceError)
    expect(() => backward(g.constant(2.5))).toThrow(TraceError)
    expect(() => keep(g.constant(2.5))).toThrow(TraceError)
    expect(w.add(1).array()).toEqual([2.5])
  })

  test('a module is applied to a placeholder, with its weights as they are in each run', () => {
    const net = new nn.Sequential(new nn.Linear(3, 2), new nn.Tanh())
    const g = new Graph()
    const x = g.placeholder('float32', [null, 3], { name: 'x' })
    const y = net.call(x)
    using session = new Session(g)
    const values = tensor([[1.5, 2, 3]])
    for (let i = 0; i < 3; i++) {
      expect(session.run(y, { feed: { x: values } }).array()).toEqual(net.call(values).array())
      for (const p of net.parameters()) p.assign(p.mul(0.5))
    }
  })

  test('compiled functions and graphs stay apart', () => {
    const g = new Graph()
    const c = g.constant([1.5])
    using session = new Session(g)
    expect(() => compile((a: Tensor) => a.add(c))(tensor([1.5]))).toThrow(TraceError)
    expect(() => compile((a: Tensor) => a)(c)).toThrow(TraceError)
    expect(() => compile((a: Tensor) => session.run(c).add(a))(tensor([1.5]))).toThrow(TraceError)
    expect(tensor([1.5]).add(1).item()).toBe(2.5)
  })

  test('tensors of two graphs do not mix', () => {
    const a = new Graph().constant(1)
    const b = new Graph().constant(2)
    expect(() => a.add(b)).toThrow(
      'add: Expected tensors of one graph. Received tensors of two graphs.',
    )
  })
})

describe('the default graph', () => {
  test('functions add to the innermost default', () => {
    const g = new Graph()
    g.asDefault(() => {
      const c = graph.add(graph.constant(2), graph.constant(3))
      expect(c.name).toBe('Add:0')
      expect(graph.defaultGraph()).toBe(g)
    })
    expect(graph.defaultGraph()).not.toBe(g)
    expect(g.operations).toHaveLength(3)
  })

  test('or to the graph of their arguments', () => {
    const g = new Graph()
    const x = g.constant([1.5, 2])
    expect(graph.reduceSum(x).name).toBe('Sum:0')
    expect(g.operations).toHaveLength(2)
  })
})

describe('gradients', () => {
  test('are tensors of the graph, of any order', () => {
    const g = new Graph()
    const x = g.placeholder('float32', [], { name: 'x' })
    const [first] = gradients(x.pow(3), [x]) as [graph.GraphTensor]
    const [second] = gradients(first, [x]) as [graph.GraphTensor]
    expect(first.name).toBe('Gradients:0')
    using session = new Session(g)
    const feed = { x: 2 }
    expect(session.run([first, second], { feed }).map((t) => t.item())).toEqual([12, 12])
  })

  test('pass through a fed tensor to what it was made from', () => {
    const g = new Graph()
    const x = g.placeholder('float32', [null, 2], { name: 'x' })
    const w = g.variable([[1.5], [2.5]], { name: 'w' })
    const h = x.matmul(w)
    const [dw] = gradients(h.square().sum(), [w]) as [graph.GraphTensor]
    using session = new Session(g)
    session.run(g.globalVariablesInitializer())
    // d/dw Σ h² = 2 xᵀ h, with h as it was fed.
    const feed = [
      [x, [[1, 2]]],
      [h, [[10]]],
    ] as const
    expect(session.run(dw, { feed }).array()).toEqual([[20], [40]])
    expect(() => session.run(dw, { feed: [[h, [[10]]]] })).toThrow("placeholder 'x'")
  })
})

test('stats count what simplification saves', () => {
  const g = new Graph()
  const x = g.placeholder('float32', [4])
  const twice = x.exp().add(x.exp())
  const folded = g.constant(2).mul(g.constant(3))
  const { operations, nodes, primitives, simplified } = g.stats([twice, folded])
  expect(operations).toBe(g.operations.length)
  expect(nodes).toBeGreaterThanOrEqual(5)
  expect(simplified).toBeLessThan(primitives)

  // Open sizes are counted too, as some size.
  const open = new Graph()
  const rows = open.placeholder('float32', [null, 4])
  const counts = open.stats([rows.softmax().add(rows.softmax()).reshape([-1, 2])], { open: 6 })
  expect(counts.simplified).toBeLessThan(counts.primitives)
  expect(counts.nodes).toBeLessThan(counts.primitives)
})
