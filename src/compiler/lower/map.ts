// Lowers a map group: elementwise work over one domain, in chunks, vectorised along one axis.

import type { Node } from '../../ir/node.js'
import { shapeOf } from '../../ir/sizes.js'
import { IndexSpace } from '../coordinates/space.js'
import { Emitter } from '../expressions/emitter.js'
import { ofVar, ZERO } from '../kernel/affine.js'
import type { KernelCall } from '../kernel/assembly.js'
import { KernelAssembly } from '../kernel/assembly.js'
import type { Affine, Reg } from '../kernel/ir.js'
import type { GroupLowering } from './lower.js'
import {
  type Axis,
  type AxisPlan,
  inPieces,
  type Loop,
  MemberCoords,
  overChunks,
  planAxes,
} from './nest.js'
import { rowsInParts, writeParts } from './parts.js'

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

/** Rows and columns of a tile that is walked down before the next one is begun. */
const TILE_ROWS = 16
const TILE_COLUMNS = 64
/** Strides from which on neighbouring lanes lie in different cache lines. */
const FAR = 16

/**
 * An axis to tile together with the vector's, or -1: one along which some array is contiguous that the
 * vector strides through (a transposition). Its cache lines are then used up while they are near.
 */
function tileAxis({ axes, strides }: AxisPlan, vector: number): number {
  for (const s of strides) {
    if (vector < 0 || Math.abs(s[vector] as number) < FAR) continue
    const contiguous = s.indexOf(1)
    const enough = contiguous >= 0 && (axes[contiguous] as Axis).size >= TILE_ROWS
    if (enough && contiguous !== vector) return contiguous
  }
  return -1
}

export function lowerMap(g: GroupLowering): KernelCall[] {
  const { group } = g
  if (group.elements === 0) return []
  const domain = group.domain.map((size) => ({ size, reduced: false, fixed: false }))
  const plan = planAxes(() => new IndexSpace(), g.traced, domain)
  const { axes } = plan
  const space = new IndexSpace()
  const k = new KernelAssembly(g.name)
  const target = g.costPerElement > HEAVY ? HEAVY_CHUNK : CHUNK
  const at = vectorAxis(axes, g.target.mapLanes)
  const tiled = tileAxis(plan, at)
  const piece = tiled < 0 ? target : TILE_COLUMNS
  const vector = at < 0 ? null : inPieces(space, (axes[at] as Axis).size, piece)
  const rows = tiled < 0 ? null : inPieces(space, (axes[tiled] as Axis).size, TILE_ROWS)
  const loops: Loop[] = []
  const index: Affine[] = axes.map((a, i) => {
    const pieces = i === at ? vector : i === tiled ? rows : null
    if (pieces !== null) return pieces.index
    const variable = space.variable(`x${i}`, a.size)
    loops.push({ variable, size: a.size })
    return ofVar(variable)
  })
  for (const p of [rows, vector]) if (p?.outer) loops.push(p.outer)
  const places = new MemberCoords(space, axes, index)
  const placeOf = (n: Node): readonly Affine[] | null =>
    group.members.has(n) ? places.of(shapeOf(n), 'full') : null
  const e = new Emitter(k, space, { ...g.around, placeOf })
  const store = (): void => {
    // All is read before anything is written: a result may lie where an operand does.
    const stored = [...group.members.keys()].filter((m) => group.stored.has(m))
    const values = stored.map((m) => e.read(m, placeOf(m) as readonly Affine[]))
    stored.forEach((m, i) => {
      const coords = placeOf(m) as readonly Affine[]
      e.store(g.refOf(m), m.dtype, e.address(shapeOf(m), coords), values[i] as Reg)
    })
  }
  const alongRows = at === axes.length - 1 && rows === null && vector?.outer === null
  const parts = alongRows ? rowsInParts(g, axes[at]?.size) : null
  const row = (): void => {
    if (parts !== null) writeParts(e, g, parts, (placeOf(parts) as readonly Affine[]).slice(0, -1))
    else if (vector === null) store()
    else e.vector(vector.inner, vector.count, g.target.mapLanes, store)
  }
  const columns = vector === null ? 1 : Math.min((axes[at] as Axis).size, piece)
  overChunks(e, loops, columns * (rows === null ? 1 : TILE_ROWS), target, () => {
    if (rows === null) row()
    else e.loop(rows.inner, ZERO, rows.count, row)
  })
  k.flops = g.costPerElement * group.elements
  k.bytes = g.bytes
  return [k.call()]
}
