// Blocks of linear memory, and which storages are in them.

import { describe, expect, test } from 'vitest'
import { OutOfMemoryError } from '../../../base/errors.js'
import { Storage } from '../../storage.js'
import { WasmDevice } from '../device.js'
import { Heap, sizeClass } from './heap.js'
import { HEAP, PAGE, SLACK } from './layout.js'
import { LinearMemory } from './linear.js'
import { Residency } from './residency.js'

describe('the heap', () => {
  test('size classes waste at most a quarter', () => {
    let last = 0
    for (let n = 1; n < 1 << 20; n = Math.ceil(n * 1.01) + 1) {
      const size = sizeClass(n)
      expect(size).toBeGreaterThanOrEqual(n)
      expect(size % 64).toBe(0)
      expect(size).toBeLessThanOrEqual(Math.max(64, n * 1.25 + 64))
      expect(size).toBeGreaterThanOrEqual(last)
      last = size
    }
  })

  test('blocks never overlap, and all of memory comes back', () => {
    const heap = new Heap(new LinearMemory(false, 4096))
    const live = new Map<number, number>()
    let seed = 1
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff
      return seed % n
    }
    for (let step = 0; step < 5000; step++) {
      if (random(3) === 0 && live.size > 0) {
        const at = [...live.keys()][random(live.size)]!
        heap.release(at)
        live.delete(at)
        continue
      }
      const bytes = random(20) === 0 ? random(1 << 21) : random(5000)
      const at = heap.allocate(bytes)
      if (at === 0) continue
      expect(at % 64).toBe(0)
      for (const [other, size] of live) {
        if (at < other + size && other < at + bytes) throw new Error(`${at} overlaps ${other}`)
      }
      live.set(at, Math.max(1, bytes))
    }
    for (const at of live.keys()) heap.release(at)
    expect(heap.bytesUsed).toBe(0)
    const most = 4096 * PAGE - HEAP - SLACK
    expect(heap.allocate(Math.floor(most / 1.3))).not.toBe(0)
  })

  test('says when memory is full', () => {
    const heap = new Heap(new LinearMemory(false, 512))
    expect(heap.allocate(64 << 20)).toBe(0)
    expect(heap.allocate(16 << 20)).not.toBe(0)
    expect(heap.allocate(16 << 20)).toBe(0)
  })
})

/** A device that is only asked for its name. */
const device = new WasmDevice({ threads: 1, shared: false })
const storage = (n: number, value: number): Storage =>
  Storage.of('float32', new Float32Array(n).fill(value))

describe('residency', () => {
  const make = (pages = 1024, budget = 16 << 20): Residency =>
    new Residency(device, new LinearMemory(false, pages), budget)

  test('elements come in once, and again when the host array is another', () => {
    const r = make()
    const s = storage(1000, 1)
    r.beginRun()
    const at = r.locate(s)
    expect(r.view('float32', at, 1000)[999]).toBe(1)
    s.host![999] = 2
    r.beginRun()
    expect(r.locate(s)).toBe(at)
    expect(r.view('float32', at, 1000)[999]).toBe(1)
    s.host = new Float32Array(1000).fill(3)
    r.beginRun()
    r.locate(s)
    expect(r.view('float32', at, 1000)[999]).toBe(3)
  })

  test('a target has no host array until it is asked for', () => {
    const r = make()
    const s = storage(100, 1)
    s.pinned = true
    r.beginRun()
    const at = r.target(s)
    expect(s.host).toBeNull()
    r.view('float32', at, 100).fill(7 as never)
    r.toHost(s)
    expect(s.host![50]).toBe(7)
    const before = s.host
    r.beginRun()
    expect(r.target(s)).toBe(at)
    r.view('float32', at, 100).fill(8 as never)
    r.toHost(s)
    // Whoever holds the first array keeps what it said.
    expect(before![50]).toBe(7)
    expect(s.host![50]).toBe(8)
  })

  test('what exceeds the budget is saved to the host and comes back', () => {
    const r = make()
    const n = 1 << 20
    const results: Storage[] = []
    for (let i = 0; i < 12; i++) {
      const s = new Storage('float32', n, null)
      r.beginRun()
      r.view('float32', r.target(s), n).fill(i as never)
      results.push(s)
    }
    expect(r.heap.bytesUsed).toBeLessThanOrEqual((16 << 20) + 4 * n)
    for (const [i, s] of results.entries()) {
      r.beginRun()
      expect(r.view('float32', r.locate(s), n)[n - 1]).toBe(i)
    }
    for (const [i, s] of results.entries()) {
      r.toHost(s)
      expect(s.host![0]).toBe(i)
    }
  })

  test('variables are never evicted; what does not fit is an error', () => {
    const r = make(1024)
    const variables: Storage[] = []
    const fill = (): void => {
      for (;;) {
        const s = new Storage('float32', 1 << 20, null)
        s.pinned = true
        r.beginRun()
        r.target(s)
        variables.push(s)
      }
    }
    expect(fill).toThrow(OutOfMemoryError)
    expect(variables.length).toBeGreaterThan(10)
    expect(r.heap.bytesUsed).toBeGreaterThan(40 << 20)
  })

  test('blocks of the run under way are not evicted for one another', () => {
    const r = make(1024, 8 << 20)
    const inputs = Array.from({ length: 10 }, (_, i) => storage(1 << 20, i))
    r.beginRun()
    const places = inputs.map((s) => r.locate(s))
    expect(new Set(places).size).toBe(10)
    for (const [i, at] of places.entries()) expect(r.view('float32', at, 1)[0]).toBe(i)
  })

  test('large results go to the host beyond a limit, where nobody can tell which are dead', () => {
    const r = new Residency(device, new LinearMemory(false, 4096), 8 << 20, false)
    const results: Storage[] = []
    for (let i = 0; i < 12; i++) {
      const s = new Storage('float32', 1 << 20, null)
      r.beginRun()
      r.view('float32', r.target(s), s.length).fill(i as never)
      r.settle(s)
      results.push(s)
    }
    expect(r.heap.bytesUsed).toBeLessThanOrEqual(8 << 20)
    for (const [i, s] of results.entries()) {
      r.beginRun()
      expect(r.view('float32', r.locate(s), 1)[0]).toBe(i)
      r.toHost(s)
      expect(s.host![s.length - 1]).toBe(i)
    }
  })

  test('small results share buffers and do not overlap', () => {
    const r = make()
    r.beginRun()
    const at = r.reserve(4096, 'a test')
    const view = r.view('float32', at, 1024) as Float32Array
    const copies: Float32Array[] = []
    for (let i = 0; i < 1000; i++) {
      view.fill(i)
      copies.push(r.read('float32', at, 1 + (i % 17)) as Float32Array)
    }
    for (const [i, c] of copies.entries())
      expect(Array.from(c)).toEqual(new Array(1 + (i % 17)).fill(i))
  })
})
