// What a first run needs, arrays for its outputs and an arena: there before it, used by it, and by nobody else.

import { describe, expect, test } from 'vitest'
import * as b from '../../ir/build.js'
import '../../ir/primitives/index.js'
import { parameter } from '../../ir/primitives/source.js'
import type { Executable } from '../device.js'
import { collectGarbage } from '../harness.js'
import { Storage } from '../storage.js'
import { X64Device } from './device.js'
import { canRun } from './harness.js'

/** Elements of each output: 8 MiB. */
const N = 2 << 20
const SIZE = 4 * N
const input = Storage.of('float32', new Float32Array(N).fill(1.5))
const x = parameter([N], 'float32')
const outputs = [b.neg(x), b.add(x, x), b.reduceMax(x, [0])]

/** Bytes of array buffers that `act` adds. */
function growth(act: () => void): number {
  collectGarbage()
  const before = process.memoryUsage().arrayBuffers
  act()
  return process.memoryUsage().arrayBuffers - before
}

function build(supplied?: (output: number) => boolean, threads = 2): [Executable, number] {
  let plan: Executable | null = null
  const device = new X64Device({ threads })
  const bytes = growth(() => {
    plan = device.build({ inputs: [x], outputs }, supplied)
  })
  return [plan!, Math.round(bytes / SIZE)]
}

const ends = (stored: readonly Storage[]): unknown[] =>
  stored.flatMap((s) => [s.read()[0], s.read().at(-1)])
const RESULT = [-1.5, -1.5, 3, 3, 1.5, 1.5]

describe.skipIf(!canRun())('large outputs of a first run', () => {
  test('have their arrays when the plan is built', () => {
    const [plan, made] = build()
    expect(made).toBe(2)
    const runs: Storage[][] = []
    const run = (): void => void runs.push(plan.run([input], []))
    expect(Math.round(growth(run) / SIZE)).toBe(0)
    expect(Math.round(growth(run) / SIZE)).toBe(2)
    expect(runs.map(ends)).toEqual([RESULT, RESULT])
    const places = runs.flat().map(({ residence }) => residence!.address)
    expect(new Set(places).size).toBe(places.length)
  })

  test('have none where the caller will bring some', () => {
    const [plan, made] = build((output) => output === 1)
    expect(made).toBe(1)
    const own = Storage.of('float32', new Float32Array(N))
    const stored = plan.run([input], [null, own])
    expect(stored[1]).toBe(own)
    expect(ends(stored)).toEqual(RESULT)
  })

  test('have none where there is one thread', () => {
    const [plan, made] = build(undefined, 1)
    expect(made).toBe(0)
    expect(ends(plan.run([input], []))).toEqual(RESULT)
  })

  test.each([
    [
      'are given up by a run that has no use for them',
      (plan: Executable) => {
        const own = [0, 1].map(() => Storage.of('float32', new Float32Array(N)))
        expect(ends(plan.run([input], own))).toEqual(RESULT)
      },
    ],
    ['are given up with the plan', (plan: Executable) => plan.dispose()],
  ])('%s', (_, end) => {
    collectGarbage()
    const before = process.memoryUsage().arrayBuffers
    const [plan, made] = build()
    expect(made).toBe(2)
    end(plan)
    collectGarbage()
    expect(Math.round((process.memoryUsage().arrayBuffers - before) / SIZE)).toBe(0)
    plan.dispose()
  })
})

test.skipIf(!canRun())('the arena is there when the plan is built', () => {
  const square = parameter([1024, 1024], 'float32')
  const product = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }
  const cube = b.dot([b.dot([square, square], product), square], product)
  const arena = (threads: number): number => {
    const device = new X64Device({ threads })
    const before = device.memory().bytes
    device.build({ inputs: [square], outputs: [cube] })
    return Math.floor((device.memory().bytes - before) / (4 << 20))
  }
  expect([arena(2), arena(1)]).toEqual([1, 0])
})
