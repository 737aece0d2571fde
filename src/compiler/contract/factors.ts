// A matrix product in the abstract: what `dot` is after its axes have been sorted, and what tilings see.

import type { DType } from '../../base/dtype.js'
import { sizeOf } from '../../base/shape.js'
import type { KernelAssembly } from '../kernel/assembly.js'
import type { Affine, Reg } from '../kernel/ir.js'
import { type MergedAxes, mergeAxes } from './axes.js'
import type { Numerics } from './numerics.js'
import { Probe } from './probe.js'

/** One factor: a matrix of its own free axes by the contracted ones, for every batch index. */
export interface Factor {
  /** Sizes of the free axes. */
  readonly free: readonly number[]
  read(k: KernelAssembly, batch: Affine[], free: Affine[], contract: Affine[]): Reg
}

/** out[b, m, n] = Σ_k left[b, m, k] · right[b, n, k], every letter standing for a list of axes. */
export interface Product {
  readonly name: string
  readonly dtype: DType
  readonly batch: readonly number[]
  readonly contract: readonly number[]
  readonly left: Factor
  readonly right: Factor
  readonly numerics: Numerics
  write(k: KernelAssembly, batch: Affine[], left: Affine[], right: Affine[], value: Reg): void
}

/** What is known of factors and products: several ask, and probing means emitting. */
const probes = new WeakMap<Factor | Product, Probe>()

/** What a factor does along its axes. Positions: batch axes, then free axes, then contracted ones. */
export function probeFactor(p: Product, factor: Factor): Probe {
  let probe = probes.get(factor)
  if (probe === undefined) {
    const b = p.batch.length
    const f = b + factor.free.length
    probe = new Probe(f + p.contract.length, (k, c) =>
      factor.read(k, c.slice(0, b), c.slice(b, f), c.slice(f)),
    )
    probes.set(factor, probe)
  }
  return probe
}

/** What storing does along batch, left and right axes. */
export function probeWrite(p: Product): Probe {
  let probe = probes.get(p)
  if (probe === undefined) {
    const b = p.batch.length
    const l = b + p.left.free.length
    probe = new Probe(l + p.right.free.length, (k, c) => {
      const value = k.reg('f32')
      p.write(k, c.slice(0, b), c.slice(b, l), c.slice(l), value)
      return null
    })
    probes.set(p, probe)
  }
  return probe
}

/** The same product over fewer axes: neighbours that everybody walks as one become one. */
export function mergeProduct(p: Product): Product {
  const left = probeFactor(p, p.left)
  const right = probeFactor(p, p.right)
  const write = probeWrite(p)
  const b = p.batch.length
  const [nl, nr] = [p.left.free.length, p.right.free.length]
  const batch = mergeAxes(
    p.batch,
    (o, i, size) => left.merges(o, i, size) && right.merges(o, i, size) && write.merges(o, i, size),
  )
  const rows = mergeAxes(
    p.left.free,
    (o, i, size) => left.merges(b + o, b + i, size) && write.merges(b + o, b + i, size),
  )
  const columns = mergeAxes(
    p.right.free,
    (o, i, size) => right.merges(b + o, b + i, size) && write.merges(b + nl + o, b + nl + i, size),
  )
  // Blocks of the sum must fall where they did, so axes merge only away from the cut.
  const { axis, step } = p.numerics
  const kept = p.contract[axis] === undefined || p.contract[axis]! % step === 0
  const contract = mergeAxes(p.contract, (o, i, size) => {
    const across = o < axis && i >= axis
    if (across && !kept) return false
    return left.merges(b + nl + o, b + nl + i, size) && right.merges(b + nr + o, b + nr + i, size)
  })
  const merged = [batch, rows, columns, contract]
  const axes = [p.batch, p.left.free, p.right.free, p.contract]
  if (merged.every((m, i) => m.sizes.length === axes[i]!.length)) return p
  return {
    ...p,
    batch: batch.sizes,
    contract: contract.sizes,
    numerics: moveCut(p, contract),
    left: {
      free: rows.sizes,
      read: (k, bs, ms, ks) =>
        p.left.read(k, batch.expand(bs), rows.expand(ms), contract.expand(ks)),
    },
    right: {
      free: columns.sizes,
      read: (k, bs, ns, ks) =>
        p.right.read(k, batch.expand(bs), columns.expand(ns), contract.expand(ks)),
    },
    write: (k, bs, ms, ns, value) =>
      p.write(k, batch.expand(bs), rows.expand(ms), columns.expand(ns), value),
  }
}

/** Where the blocks' cut lies in merged axes: blocks have as many elements as before. */
function moveCut({ numerics, contract }: Product, { runOf }: MergedAxes): Numerics {
  const run = runOf[numerics.axis]
  if (run === undefined) return numerics
  const behind = contract.filter((_, i) => i > numerics.axis && runOf[i] === run)
  return { ...numerics, axis: run, step: numerics.step * sizeOf(behind) }
}

/** The same product with its factors, and so the result's axes, in the other order. */
export function swapProduct(p: Product): Product {
  return {
    ...p,
    left: p.right,
    right: p.left,
    write: (k, b, left, right, value) => p.write(k, b, right, left, value),
  }
}
