// The number of threads, and the code of plans, while programs run.

import {
  currentDeviceName,
  DeviceError,
  getNumThreads,
  planStatistics,
  setNumThreads,
  tensor,
} from 'tessera'
import { afterEach, describe, expect, test } from 'vitest'
import { codeBytes } from '../src/backends/x64/native/code.js'
import { trainCompiled } from './support/styles.js'

const before = getNumThreads()
afterEach(() => setNumThreads(before))

describe('setNumThreads', () => {
  test('changes the number at any time, and no bit of any result', () => {
    const digests = new Set<string>()
    for (const threads of [1, 2, 3, 1, 4]) {
      setNumThreads(threads)
      if (currentDeviceName() === 'x64') expect(getNumThreads()).toBe(threads)
      digests.add(trainCompiled({ model: 'mlp', algorithm: 'SGD', steps: 4 }))
    }
    expect(digests.size).toBe(1)
  })

  test('wants a positive integer', () => {
    for (const wrong of [0, -1, 1.5, Number.NaN]) {
      expect(() => setNumThreads(wrong)).toThrow(DeviceError)
    }
    expect(getNumThreads()).toBe(before)
  })
})

test('of several faults the same one is told, whichever thread meets it first', () => {
  const told = new Set<string>()
  const rows = 4096
  // One kernel: the first operation fails in the last chunk only, the second in the first one only.
  const atEnd = tensor(Int32Array.from({ length: rows }, (_, i) => (i < rows - 1 ? i % 7 : 7)))
  const atStart = tensor(Int32Array.from({ length: rows }, (_, i) => (i > 0 ? i % 9 : 9)))
  const [first, second] = [new Float32Array(7 * 32), new Float32Array(9 * 32)].map((x) => tensor(x))
  for (const threads of [1, 2, 4]) {
    setNumThreads(threads)
    for (let run = 0; run < 20; run++) {
      const a = first!.reshape([7, 32]).indexSelect(0, atEnd)
      const b = second!.reshape([9, 32]).indexSelect(0, atStart)
      try {
        a.add(b).dataSync()
      } catch (error) {
        told.add((error as Error).message)
      }
    }
  }
  expect([...told]).toEqual([expect.stringContaining('[0, 7)')])
})

test.skipIf(currentDeviceName() !== 'x64')('code of plans that left the cache is freed', () => {
  const { capacity } = planStatistics()
  const compileNew = (from: number, count: number): void => {
    for (let n = from; n < from + count; n++)
      tensor(new Float32Array(n).fill(1)).mul(3).sum().item()
  }
  compileNew(1000, capacity)
  const full = codeBytes()
  expect(full).toBeGreaterThan(capacity)
  compileNew(1000 + capacity, 2 * capacity)
  expect(codeBytes()).toBeLessThan(1.1 * full)
})
