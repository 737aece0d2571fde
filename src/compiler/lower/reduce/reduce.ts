// Lowers a reduce group: reductions over the same axes, with elementwise work before, between and after.
//
// The group runs in passes (`passes.ts`) over its reduced axes; values of the whole domain are computed again
// in each pass that needs them, or kept in scratch memory if that is dear. `layout.ts` says how the domain is
// walked, `registers.ts` and `streams.ts` what the walks do, and `members.ts` what they do with an element.

import { IndexSpace } from '../../coordinates/space.js'
import { KernelAssembly, type KernelCall } from '../../kernel/assembly.js'
import { reductionOrder } from '../../numerics.js'
import type { GroupLowering } from '../lower.js'
import { overChunks, planAxes } from '../nest.js'
import { CHUNK, layOut } from './layout.js'
import { Members } from './members.js'
import { schedulePasses } from './passes.js'
import { reduceInRegisters } from './registers.js'
import { reduceInStreams } from './streams.js'

export function lowerReduce(g: GroupLowering): KernelCall[] {
  const { group } = g
  const segments = group.domain.map((size, i) => ({ size, reduced: group.axes.includes(i) }))
  if (segments.some((s) => !s.reduced && s.size === 0)) return []
  const along = reductionOrder(segments).kind === 'lanes'
  const cut = group.block > 0 ? (group.axes[0] as number) : -1
  const last = segments.length - 1
  const domain = segments.map((s, i) => ({ ...s, fixed: i === cut || (along && i === last) }))
  const { axes } = planAxes(() => new IndexSpace(), g.traced, domain)

  const schedule = schedulePasses(g)
  const space = new IndexSpace()
  const layout = layOut(space, { g, axes, schedule, along })
  const k = new KernelAssembly(g.name)
  const members = new Members(g, k, space, layout, schedule.dear)
  const { walk, outer, vector, reduced } = layout
  const columns = walk === 'along' || vector === null ? 1 : vector.most
  overChunks(members.e, outer, reduced * columns, CHUNK, () => {
    if (walk === 'streams') reduceInStreams(members, schedule)
    else if (walk === 'columns' && vector !== null) {
      members.overVector(() => reduceInRegisters(members, schedule))
    } else reduceInRegisters(members, schedule)
  })
  k.flops = g.costPerElement * group.elements * Math.max(1, schedule.passes.length)
  k.bytes = g.bytes
  return [k.call()]
}
