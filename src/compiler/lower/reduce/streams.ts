// The walk in streams: many results wait in scratch memory while a few rows at a time go by.

import type { Node } from '../../../ir/node.js'
import { laneCost } from '../../costs.js'
import { affine, ofVar, plus, times, ZERO } from '../../kernel/affine.js'
import { MEMORY_TYPE, REGISTER_TYPE } from '../../kernel/assembly.js'
import type { Affine, Bound, BufferDecl, Reg } from '../../kernel/ir.js'
import { ROW_GROUP } from '../../numerics.js'
import { isReduction } from '../nest.js'
import type { Layout, Rows } from './layout.js'
import type { Members } from './members.js'
import { type Pass, reductionOf, type Schedule } from './passes.js'

/** Rows read at once are fewer where an element takes much work or branches: their code is written out. */
const COSTLY = 12
const isLong = (node: Node): boolean => node.op.name === 'pad' || laneCost(node) >= COSTLY

/** As many results as fit the vector's loop: all passes, then what is kept. */
export function reduceInStreams(members: Members, { passes }: Schedule): void {
  const walk = new StreamWalk(members)
  for (const [p, pass] of passes.entries()) walk.run(pass, passes.slice(0, p))
  members.overVector(() => {
    walk.bindSums(passes)
    members.keep()
  })
}

class StreamWalk {
  /** Where the results of each reduction wait. */
  private readonly sums = new Map<Node, BufferDecl>()
  private readonly rows: Rows
  private readonly vector: NonNullable<Layout['vector']>
  private readonly column: Affine

  constructor(private readonly members: Members) {
    const { rows, vector } = members.layout
    this.rows = rows as Rows
    this.vector = vector as NonNullable<Layout['vector']>
    this.column = ofVar(this.vector.variable)
  }

  run(pass: Pass, before: readonly Pass[]): void {
    const { members } = this
    if (pass.reductions.length > 0) members.overVector(() => this.clear(pass))
    const { full, kept } = members.neededIn(pass)
    const per = [...full].some(isLong) ? ROW_GROUP / 4 : ROW_GROUP
    this.overInner(0, () =>
      this.overRows(per, (first, count) =>
        members.overVector(() => {
          this.bindSums(before)
          for (const m of kept) {
            if (!isReduction(m)) members.e.read(m, members.coordsOf(m, 'kept'))
          }
          this.group(pass, first, count)
        }),
      ),
    )
    members.finish(pass)
  }

  /** Binds the results of passes that are over. */
  bindSums(passes: readonly Pass[]): void {
    const { members, column } = this
    for (const r of passes.flatMap((p) => p.reductions)) {
      members.bindResult(r, members.k.load(this.sumOf(r), column))
    }
  }

  private sumOf(r: Node): BufferDecl {
    let decl = this.sums.get(r)
    if (decl === undefined) {
      decl = this.members.k.scratch(r.op.name, MEMORY_TYPE[r.dtype], this.vector.most)
      this.sums.set(r, decl)
    }
    return decl
  }

  private clear(pass: Pass): void {
    const { k } = this.members
    for (const r of pass.reductions) {
      const empty = k.const(REGISTER_TYPE[r.dtype], reductionOf(r).identity(r.dtype))
      k.store(this.sumOf(r), this.column, empty)
    }
  }

  /** Takes `count` rows from `first` on, for the columns of a vector. */
  private group(pass: Pass, first: Affine, count: number): void {
    const { members, column, rows } = this
    const { k, e, space } = members
    const accumulators = pass.reductions.map((r) => {
      const acc = k.accumulator(REGISTER_TYPE[r.dtype], reductionOf(r).identity(r.dtype))
      k.move(acc, k.load(this.sumOf(r), column))
      return acc
    })
    const row = space.variable('u', count)
    const body = (): void =>
      members.placed(rows.axis, plus(first, ofVar(row)), () => members.element(pass, accumulators))
    e.loop(row, ZERO, affine(count), body, { unroll: true })
    pass.reductions.forEach((r, i) => {
      k.store(this.sumOf(r), column, accumulators[i] as Reg)
    })
  }

  private overInner(i: number, body: () => void): void {
    const { e, layout } = this.members
    const next = layout.inner[i]
    if (next === undefined) body()
    else e.loop(next.loop.variable, ZERO, next.to, () => this.overInner(i + 1, body))
  }

  /** Goes over the rows, `per` of them at a time and then the rest. */
  private overRows(per: number, group: (first: Affine, count: number) => void): void {
    const { e, k, space } = this.members
    const { start, count, size } = this.rows
    const groups = Math.floor(size / per)
    const number = space.variable('rows', groups)
    const first = plus(start, times(ofVar(number), per))
    if (!('min' in count)) {
      if (groups > 0) e.loop(number, ZERO, affine(groups), () => group(first, per))
      if (size % per > 0) group(plus(start, groups * per), size % per)
      return
    }
    // Whole blocks are whole groups; only the last block may have a rest, one row at a time.
    const left = count.min[1]
    const whole = space.variable('groups', Math.floor(space.max(left) / per) + 1)
    k.emit({ op: 'divide', variable: whole, value: left, by: per })
    const to: Bound = { min: [affine(groups), ofVar(whole)] }
    e.loop(number, ZERO, to, () => group(first, per))
    const row = space.variable('r', size)
    e.loop(row, times(ofVar(whole), per), count, () => group(plus(start, ofVar(row)), 1))
  }
}
