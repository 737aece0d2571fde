import { describe, expect, test } from 'vitest'
import { affine, ofVar, plus } from '../kernel/affine.js'
import { KernelAssembly } from '../kernel/assembly.js'
import type { Affine } from '../kernel/ir.js'
import { target, Workspace } from './fixtures.js'
import { forTiles, type Span } from './tiles.js'

/** For each element how often a tile had it: counted in tens by `body`, and in ones by `first`. */
function visits({ total, chunk, unit }: Omit<Span, 'chunks' | 'at'>, withFirst: boolean): number[] {
  const w = new Workspace(target(4, 8, 4))
  const out = w.buffer('out', 'i32', total)
  w.fill(out, new Int32Array(total))
  const chunks = Math.ceil(total / chunk)
  const k = new KernelAssembly('tiles', chunks)
  const seen = k.use(out, 'readwrite')
  // Whether the chunk's first tile is done: what `body` counts double, if it is not.
  const done = k.scratch('done', 'i32', 1)
  k.store(done, affine(0), k.const('i32', withFirst ? 20 : 10))
  const count = (value: () => ReturnType<typeof k.load>) => (_: Affine, at: Affine, size: number) =>
    k.loop('i', size, (i) => {
      const place = plus(at, i)
      k.store(seen, place, k.set('add', k.load(seen, place), value()))
    })
  const first = count(() => k.const('i32', 1))
  forTiles(
    k,
    'tile',
    { total, chunk, chunks, unit, at: ofVar(k.chunk) },
    count(() => k.load(done, affine(0))),
    withFirst
      ? (...tile) => {
          first(...tile)
          k.store(done, affine(0), k.const('i32', 10))
        }
      : null,
  )
  w.interpret([k.call()])
  return Array.from(w.memory.get(out.id) as Int32Array)
}

/** What is left over of several chunks; of one; nothing; chunks of less than a tile; parts of a total. */
const SPANS = [
  { total: 19, chunk: 8, unit: 4 },
  { total: 18, chunk: 8, unit: 4 },
  { total: 23, chunk: 8, unit: 4 },
  { total: 11, chunk: 12, unit: 4 },
  { total: 3, chunk: 4, unit: 4 },
  { total: 24, chunk: 8, unit: 4 },
  { total: 8, chunk: 4, unit: 4 },
  { total: 21, chunk: 7, unit: 4 },
]

describe.each(SPANS)('tiles of $unit in chunks of $chunk of $total', (span) => {
  test('have each element once', () => {
    expect(visits(span, false)).toEqual(new Array(span.total).fill(10))
  })

  test('and one of each chunk comes first, and is another', () => {
    const counts = visits(span, true)
    for (let at = 0; at < span.total; at += span.chunk) {
      const chunk = counts.slice(at, at + span.chunk)
      const others = chunk.filter((n) => n === 10).length
      const first = chunk.filter((n) => n === 1).length
      expect(others + first).toBe(chunk.length)
      expect(first).toBe(first < span.unit ? chunk.length % span.unit : span.unit)
      expect(first).toBeGreaterThan(0)
    }
  })
})
