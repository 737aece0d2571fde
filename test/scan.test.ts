// `scan` as users meet it: against the loop written out, in every style, and with everything that can be
// wrong about a call.

import {
  compile,
  DTypeError,
  grad,
  gradients,
  graph,
  type ScanOptions,
  ShapeError,
  scalar,
  scan,
  stack,
  type Tensor,
  TraceError,
  tensor,
  ValueError,
  Variable,
  zeros,
} from 'tessera'
import { beforeEach, describe, expect, test } from 'vitest'

type Step = (h: Tensor, x: Tensor) => readonly [Tensor, Tensor]

/** The loop written out. */
function unrolled(step: Step, init: Tensor, xs: Tensor, { reverse = false } = {}): Tensor[] {
  const order = Array.from({ length: xs.shape[0] as number }, (_, i) => i)
  const results: Tensor[] = []
  let h = init
  for (const i of reverse ? order.reverse() : order) {
    const [next, y] = step(h, xs.select(0, i))
    h = next
    results[i] = y
  }
  return [h, stack(results)]
}

const random = (shape: number[], seed: number): Tensor =>
  tensor(
    Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
      Math.sin(seed + 7.3 * i),
    ),
    { shape },
  )

let weight: Variable
let xs: Tensor
let init: Tensor

beforeEach(() => {
  weight = new Variable(random([3, 3], 1))
  xs = random([5, 2, 3], 2)
  init = random([2, 3], 3)
})

const recurrent: Step = (h, x) => {
  const next = h.matmul(weight).add(x).tanh()
  return [next, next.mul(x)]
}

const close = (actual: Tensor, expected: Tensor): void => {
  expect(actual.shape).toEqual(expected.shape)
  const want = expected.dataSync()
  actual.dataSync().forEach((v, i) => {
    expect(v).toBeCloseTo(want[i] as number, 10)
  })
}

const weigh = ([h, ys]: readonly Tensor[]): Tensor =>
  h!
    .square()
    .sum()
    .add(ys!.mul(random([5, 2, 3], 4)).sum())

describe('scan', () => {
  test.each<[string, ScanOptions]>([
    ['forward', {}],
    ['from the end', { reverse: true }],
  ])('is the loop written out, %s, and so are its gradients', (_, options) => {
    const loop = (w: Tensor, h: Tensor, x: Tensor): Tensor[] => {
      const step: Step = (s, e) => [s.matmul(w).add(e).tanh(), s.mul(e)]
      return scan(step, h, x, options)
    }
    const written = (w: Tensor, h: Tensor, x: Tensor): Tensor[] => {
      const step: Step = (s, e) => [s.matmul(w).add(e).tanh(), s.mul(e)]
      return unrolled(step, h, x, options)
    }
    const args = { w: random([3, 3], 1), h: init, x: xs }
    const lossOf = (f: typeof loop) => (a: typeof args) => weigh(f(a.w, a.h, a.x))
    const [ours, theirs] = [loop(args.w, init, xs), written(args.w, init, xs)]
    ours.forEach((x, i) => void close(x, theirs[i]!))
    const [first, expected] = [grad(lossOf(loop))(args), grad(lossOf(written))(args)]
    for (const name of ['w', 'h', 'x'] as const) close(first[name], expected[name])
    const slope = (f: typeof loop) => (a: typeof args) => {
      const g = grad(lossOf(f))(a)
      return g.w.square().sum().add(g.h.sin().sum()).add(g.x.square().sum())
    }
    const [second, wanted] = [grad(slope(loop))(args), grad(slope(written))(args)]
    for (const name of ['w', 'h', 'x'] as const) close(second[name], wanted[name])
  })

  test('is the loop written out where states are wide', () => {
    const [w, h, x] = [random([70, 70], 1).div(70), random([20, 70], 3), random([3, 20, 70], 2)]
    const step: Step = (s, e) => {
      const next = s.matmul(w).add(e).tanh()
      return [next, next]
    }
    const [ours, theirs] = [scan(step, h, x), unrolled(step, h, x)]
    ours.forEach((y, i) => void close(y, theirs[i]!))
  })

  test('trains the variables it reads, eagerly and compiled', () => {
    weigh(scan(recurrent, init, xs)).backward()
    const eager = weight.grad!.dataSync()
    weight.grad = null
    weigh(unrolled(recurrent, init, xs)).backward()
    close(tensor(eager, { shape: [3, 3] }), weight.grad!)
    weight.grad = null
    const step = compile((h: Tensor, x: Tensor) => {
      weight.grad = null
      weigh(scan(recurrent, h, x)).backward()
      return weight.grad! as Tensor
    })
    expect(step(init, xs).dataSync()).toEqual(eager)
    expect(step(init, xs).dataSync()).toEqual(eager)
  })

  test('reads variables anew in each call', () => {
    const sum = new Variable(scalar(1))
    const run = () => scan((h: Tensor) => [h.mul(sum), null], scalar(1), null, { length: 3 })[0]
    expect(run().item()).toBe(1)
    sum.assign(scalar(2))
    expect(run().item()).toBe(8)
  })

  test('carries and stacks trees', () => {
    const [last, ys] = scan(
      ({ n, s }: { n: Tensor; s: Tensor }, [x, y]: [Tensor, Tensor]) =>
        [
          { n: n.add(1), s: s.add(x.mul(y)) },
          { n, twice: [x.mul(2)] },
        ] as const,
      { n: tensor(0, { dtype: 'int32' }), s: scalar(0) },
      [tensor([1.5, 2, 3]), tensor([4.5, 5, 6])] as [Tensor, Tensor],
    )
    expect(last.n.item()).toBe(3)
    expect(last.s.item()).toBe(34.75)
    expect(ys.n.array()).toEqual([0, 1, 2])
    expect(ys.twice[0]!.array()).toEqual([3, 4, 6])
  })

  test('may have no steps, no carry, and scans inside', () => {
    const none = scan((h: Tensor, x: Tensor) => [h.add(x), x], scalar(4), zeros([0]))
    expect(none[0].item()).toBe(4)
    expect(none[1].shape).toEqual([0])
    const [, doubled] = scan((_, x: Tensor) => [[], x.mul(2)], [], tensor([1.5, 2]))
    expect(doubled.array()).toEqual([3, 4])
    const [sums] = scan(
      (h: Tensor, row: Tensor) => [
        h.add(scan((s: Tensor, x: Tensor) => [s.add(x), null], h, row)[0]),
        null,
      ],
      scalar(1),
      tensor([
        [1.0, 2],
        [3, 4],
      ]),
    )
    expect(sums.item()).toBe(17)
  })

  test('runs in a session, for as many steps as it is fed', () => {
    const g = new graph.Graph()
    const x = g.placeholder('float32', [null, 2])
    const w = g.variable([1.5, 2])
    const start = x.sum({ axis: 0 }).mul(0)
    const [last, ys] = scan((h: Tensor, e: Tensor) => [h.add(e.mul(w)), h], start, x)
    const [slope] = gradients(last.sum(), [w]) as [Tensor]
    using session = new graph.Session(g)
    session.run(g.globalVariablesInitializer())
    for (const rows of [
      [[1, 1]],
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    ]) {
      const totals = [0, 1].map((k) => rows.reduce((sum, row) => sum + row[k]!, 0))
      const fed = session.run([last, slope, ys], { feed: [[x, rows]] })
      expect(fed[0]!.array()).toEqual([1.5 * totals[0]!, 2 * totals[1]!])
      expect(fed[1]!.array()).toEqual(totals)
      expect(fed[2]!.shape).toEqual([rows.length, 2])
    }
  })

  test('stops gradients where the function does', () => {
    const loss = (x: Tensor) =>
      scan((h: Tensor, e: Tensor) => [h.add(e.mul(e.detach())), null], scalar(0), x)[0]
    expect(grad(loss)(tensor([2.5, 3])).array()).toEqual([2.5, 3])
  })

  const add: Step = (h, x) => [h.add(x), x]
  test.each<[string, () => unknown, new (...args: never[]) => Error, RegExp]>([
    [
      'a next carry of another shape',
      () => scan((h: Tensor) => [stack([h, h]), null], scalar(1), null, { length: 2 }),
      ShapeError,
      /scan: Expected a next carry of type float32\. Received float32\[2\]/,
    ],
    [
      'a next carry of another dtype',
      () => scan((h: Tensor) => [h.cast('int32'), null], scalar(1), null, { length: 2 }),
      DTypeError,
      /Received int32/,
    ],
    [
      'a next carry of another structure',
      () => scan((h: Tensor) => [[h] as never, null], scalar(1), null, { length: 2 }),
      ValueError,
      /structure/,
    ],
    [
      'something else than a pair',
      () => scan((h: Tensor) => h as never, scalar(1), null, { length: 2 }),
      ValueError,
      /\[carry, y\]/,
    ],
    [
      'no length',
      () => scan((h: Tensor) => [h, null], scalar(1), null),
      ValueError,
      /a sequence, or a length/,
    ],
    [
      'half a step',
      () => scan((h: Tensor) => [h, null], scalar(1), null, { length: 1.5 }),
      ValueError,
      /1\.5/,
    ],
    [
      'sequences of two lengths',
      () =>
        scan((h: Tensor, [x]: Tensor[]) => [h.add(x!), null], scalar(1), [zeros([2]), zeros([3])]),
      ShapeError,
      /2 elements.*Received \[3\]/,
    ],
    [
      'a length that is not the sequence’s',
      () => scan(add, scalar(1), zeros([2]), { length: 3 }),
      ShapeError,
      /3 elements/,
    ],
    ['a scalar for a sequence', () => scan(add, scalar(1), scalar(2)), ShapeError, /scalar/],
    [
      'a number for a carry',
      () => scan(add, 1 as never, zeros([2])),
      ValueError,
      /Received number/,
    ],
    [
      'a value that is read',
      () => scan((h: Tensor) => [h.mul(h.item()), null], scalar(1), null, { length: 2 }),
      TraceError,
      /read/,
    ],
    [
      'a variable that is assigned',
      () =>
        scan(
          (h: Tensor) => {
            weight.assign(weight.add(1))
            return [h, null]
          },
          scalar(1),
          null,
          { length: 2 },
        ),
      TraceError,
      /assigned/,
    ],
  ])('refuses %s', (_, call, kind, message) => {
    expect(call).toThrow(kind)
    expect(call).toThrow(message)
    // Nothing of it stays: the next call works.
    expect(scan(add, scalar(1), tensor([1.0, 2]))[0].item()).toBe(4)
  })
})
