// Walking a sum over K block by block, as its numerics fix the blocks.

import { sizeOf } from '../../base/shape.js'
import { affine, plus, times } from '../kernel/affine.js'
import type { KernelAssembly } from '../kernel/assembly.js'
import type { Affine, Bound } from '../kernel/ir.js'
import { unflatten } from './axes.js'
import type { Numerics } from './numerics.js'

/** One block of K: a range of the cut axis, times all of the axes behind it. */
export interface Block {
  /** Its number among all blocks. */
  readonly number: Affine
  /** Sizes of the axes a block runs over: the cut axis' range, then the axes behind it. */
  readonly sizes: readonly Bound[]
  /** The same, with the largest the range can be. */
  readonly most: readonly number[]
  /** Where the block begins along each axis of K. */
  readonly origin: readonly Affine[]
  /** Coordinates along all axes of K, of a place in the block. */
  at(local: readonly Affine[]): Affine[]
  /** The place's position in the block, last axis fastest. */
  flat(local: readonly Affine[]): Affine
  /** The fewest loops that run over the block, where axis i of K may follow axis i - 1 as one with it. */
  walk(follows: readonly boolean[]): Walk
}

/** Loops over a block, each over one or several axes that count as one. */
export interface Walk {
  readonly sizes: readonly Bound[]
  /** A place as coordinates along the block's own axes. */
  local(at: readonly Affine[]): Affine[]
}

/** Most elements of a block. */
export const blockLength = ({ axis, step }: Numerics, contract: readonly number[]): number =>
  contract.length === 0 ? 1 : step * sizeOf(contract.slice(axis + 1))

/** Runs `body` for the blocks of part `part`, in order. */
export function forBlocks(
  k: KernelAssembly,
  contract: readonly number[],
  numerics: Numerics,
  part: Affine,
  body: (block: Block) => void,
): void {
  const { axis, step, blocks, blocksPerPart, parts } = numerics
  const size = contract[axis] ?? 1
  const inner = contract.slice(axis + 1)
  const perAxis = Math.ceil(size / step)
  const one = (number: Affine): void => {
    const before = unflatten(k, number, [...contract.slice(0, axis), perAxis])
    const from = times(before.at(-1)!, step)
    const left = plus(times(from, -1), size)
    const clipped = (unit: number): Bound =>
      size % step === 0 ? affine(step * unit) : { min: [affine(step * unit), times(left, unit)] }
    const origin = [...before.slice(0, axis), from, ...inner.map(() => affine(0))]
    const most = [step, ...inner]
    body({
      number,
      sizes: [clipped(1), ...inner.map((n) => affine(n))],
      most,
      origin,
      at: (local) =>
        origin.slice(0, contract.length).map((o, i) => (i < axis ? o : plus(o, local[i - axis]!))),
      flat: (local) => local.reduce((sum, l, i) => plus(times(sum, most[i]!), l), affine(0)),
      walk: (follows) => {
        // A run of axes takes its coordinate at its last axis.
        const runs: { last: number; behind: number; first: boolean }[] = []
        for (const [i, size] of most.entries()) {
          const run = runs.at(-1)
          if (run === undefined || !follows[axis + i]) {
            runs.push({ last: i, behind: i === 0 ? 1 : size, first: i === 0 })
          } else {
            run.last = i
            run.behind *= size
          }
        }
        return {
          sizes: runs.map((r) => (r.first ? clipped(r.behind) : affine(r.behind))),
          local: (at) => most.map((_, i) => at[runs.findIndex((r) => r.last === i)] ?? affine(0)),
        }
      },
    })
  }
  if (blocks === 1) {
    one(affine(0))
    return
  }
  const from = times(part, blocksPerPart)
  const to: Bound =
    parts === 1
      ? affine(blocks)
      : blocks % blocksPerPart === 0
        ? plus(from, blocksPerPart)
        : { min: [plus(from, blocksPerPart), affine(blocks)] }
  k.loop('block', to, (b) => one(b), { from })
}
