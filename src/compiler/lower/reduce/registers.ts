// Walks along rows and columns: results stay in registers while a pass goes over the elements they are made of.

import { affine, coefficientOf, plus, ZERO } from '../../kernel/affine.js'
import { REGISTER_TYPE } from '../../kernel/assembly.js'
import type { Affine, BufferDecl, Reg } from '../../kernel/ir.js'
import { REDUCE_LANES } from '../../numerics.js'
import type { Members } from './members.js'
import { isOrderless, type Pass, reductionOf, type Schedule } from './passes.js'

/** Bytes of an element, about, where rows have to fit the cache. */
const ROW_BYTES = 4
/** Elements of a result up to which they are written out. */
const WRITTEN_OUT = 9
/** Registers of an accumulator whose lanes may be combined in any order: enough to hide latencies. */
const CHAINS = 4

/** One result, or a vector of them: all passes, then what is kept. */
export function reduceInRegisters(members: Members, schedule: Schedule): void {
  const walk = new RegisterWalk(members, schedule)
  for (const [p, pass] of schedule.passes.entries()) walk.run(pass, p)
  members.keep()
}

class RegisterWalk {
  /** Few elements a result, such as a pool's window: written out, and remembered from pass to pass. */
  private readonly writtenOut: boolean

  constructor(
    private readonly members: Members,
    { dear }: Schedule,
  ) {
    const { walk, reduced } = members.layout
    const whole = members.g.group.block === 0
    this.writtenOut = walk === 'columns' && dear.length === 0 && reduced <= WRITTEN_OUT && whole
  }

  run(pass: Pass, number: number): void {
    const { members } = this
    const { k, g, layout } = members
    const soon = number === 1 ? this.nextRow() : []
    const orderless = pass.reductions.every(isOrderless)
    const most = Math.max(REDUCE_LANES, CHAINS * g.target.nativeLanes)
    const lanes = layout.walk !== 'along' ? 0 : orderless ? most : REDUCE_LANES
    const accumulators = pass.reductions.map((r) =>
      k.accumulator(REGISTER_TYPE[r.dtype], reductionOf(r).identity(r.dtype), lanes),
    )
    this.overReduced(0, lanes, () => {
      for (const { buffer, at } of soon) k.emit({ op: 'prefetch', buffer, at })
      members.element(pass, accumulators)
    })
    members.finish(pass)
    pass.reductions.forEach((r, i) => {
      const acc = accumulators[i] as Reg
      members.bindResult(r, lanes > 0 ? k.combine(acc, reductionOf(r).fn) : acc)
    })
  }

  /** Runs `body` for all elements of a result; with lanes, for vectors of them. */
  private overReduced(i: number, lanes: number, body: () => void): void {
    const { members } = this
    const next = members.layout.inner[i]
    if (next !== undefined && this.writtenOut) {
      for (let at = 0; at < next.loop.size; at++) {
        members.placed(next.axis, affine(at), () => this.overReduced(i + 1, lanes, body))
      }
    } else if (next !== undefined) {
      const { loop, to } = next
      members.e.loop(loop.variable, ZERO, to, () => this.overReduced(i + 1, lanes, body))
    } else if (lanes > 0) {
      members.overVector(body, lanes)
    } else {
      // Also without a loop the body is a block of its own: what it computes is not known after it.
      body()
    }
  }

  /**
   * Where the first pass will read the row after this one. The second pass asks for it: it finds its own row
   * in the cache, and would leave memory idle.
   */
  private nextRow(): { buffer: BufferDecl; at: Affine }[] {
    const { e, g, layout } = this.members
    const { walk, outer, vector, reduced } = layout
    const next = outer[outer.length - 1]?.variable
    const worthIt = g.target.prefetches && reduced * ROW_BYTES <= g.target.cache.l2 / 4
    if (walk !== 'along' || next === undefined || vector === null || !worthIt) return []
    const known = [vector.variable, ...outer.map((l) => l.variable)]
    return e.loads.flatMap(({ buffer, at }) => {
      const step = coefficientOf(at, next)
      const plain = at.terms.every((t) => known.includes(t.variable))
      if (!plain || step === 0 || coefficientOf(at, vector.variable) !== 1) return []
      return [{ buffer, at: plus(at, step) }]
    })
  }
}
