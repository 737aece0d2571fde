// Lowers a map group: elementwise work over one domain, in chunks, vectorised along one axis.

import type { Node } from '../../ir/node.js'
import { ofVar } from '../kernel/affine.js'
import type { Affine } from '../kernel/ir.js'
import type { KernelCall } from './assembly.js'
import { Emitter } from './emitter.js'
import type { GroupLowering } from './lower.js'
import { type Axis, inPieces, type Loop, memberCoords, overChunks, planAxes } from './nest.js'
import { IndexSpace } from './space.js'
import { KernelAssembly } from './assembly.js'

/** Elements of a chunk, for cheap work and for work with many operations an element. */
const CHUNK = 16384
const HEAVY_CHUNK = 4096
const HEAVY = 64

/**
 * The axis to vectorise: the one whose elements cost least. Vectors along a short axis are partly empty;
 * along any but the last, lanes are loaded and stored one by one, and further out they touch a cache
 * line each.
 */
export function vectorAxis(
  axes: readonly Axis[],
  lanes: number,
  usable: (a: Axis) => boolean = () => true,
): number {
  let best = -1
  let least = Number.POSITIVE_INFINITY
  let inner = 1
  for (let i = axes.length - 1; i >= 0; i--) {
    const axis = axes[i] as Axis
    if (usable(axis)) {
      const emptiness = (Math.ceil(axis.size / lanes) * lanes) / axis.size
      const cost = emptiness * (inner === 1 ? 1 : inner <= 8 ? 2 : 4)
      if (cost < least) {
        least = cost
        best = i
      }
    }
    inner *= axis.size
  }
  return best
}

export function lowerMap(g: GroupLowering): KernelCall[] {
  const { group } = g
  if (group.elements === 0) return []
  const domain = group.domain.map((size) => ({ size, reduced: false, fixed: false }))
  const axes = planAxes(() => new IndexSpace(), g.traced, domain)
  const space = new IndexSpace()
  const k = new KernelAssembly(g.name)
  const places = new Map<Node, readonly Affine[]>()
  const e = new Emitter(k, space, { ...g.around, placeOf: (n) => places.get(n) ?? null })
  const at = vectorAxis(axes, g.target.mapLanes)
  const target = g.costPerElement > HEAVY ? HEAVY_CHUNK : CHUNK
  const vector = at < 0 ? null : inPieces(space, (axes[at] as Axis).size, target)
  const loops: Loop[] = []
  const index: Affine[] = axes.map((a, i) => {
    if (i === at) return (vector as NonNullable<typeof vector>).index
    const variable = space.variable(`x${i}`, a.size)
    loops.push({ variable, size: a.size })
    return ofVar(variable)
  })
  if (vector?.outer) loops.push(vector.outer)
  for (const m of group.members.keys()) places.set(m, memberCoords(space, axes, index, m, 'full'))
  const body = (): void => {
    for (const m of group.members.keys()) {
      if (!group.stored.has(m)) continue
      const coords = places.get(m) as readonly Affine[]
      e.store(g.refOf(m), m.dtype, e.address(m.shape as number[], coords), e.read(m, coords))
    }
  }
  const work = vector === null ? 1 : Math.min((axes[at] as Axis).size, target)
  overChunks(e, loops, work, target, () => {
    if (vector === null) body()
    else e.vector(vector.inner, vector.count, g.target.mapLanes, body)
  })
  k.flops = g.costPerElement * group.elements
  k.bytes = g.bytes
  return [k.call()]
}

