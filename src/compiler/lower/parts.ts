// A concatenation along rows, written part by part: each part has a loop of its own, in which every lane
// has something to do. (Read element by element, it looks into all parts, and masks out all but one.)

import type { Node } from '../../ir/node.js'
import { shapeOf } from '../../ir/sizes.js'
import type { Emitter } from '../expressions/emitter.js'
import { affine, ofVar, plus } from '../kernel/affine.js'
import type { Affine } from '../kernel/ir.js'
import type { GroupLowering } from './lower.js'

/** The concatenation that is all a group does, if rows of `size` elements are what its parts make up. */
export function rowsInParts({ group }: GroupLowering, size: number | undefined): Node | null {
  const [node] = group.members.keys()
  if (node?.op.name !== 'concat' || group.members.size > 1) return null
  const last = node.shape.length - 1
  return node.attrs.axis === last && node.shape[last] === size ? node : null
}

/** Writes one row of a concatenation: that at coordinates `lead` of all axes but the last. */
export function writeParts(
  e: Emitter,
  g: GroupLowering,
  node: Node,
  lead: readonly Affine[],
): void {
  let start = 0
  for (const part of node.inputs) {
    const size = part.shape[lead.length] as number
    const i = e.space.variable('i', size)
    const to = plus(ofVar(i), start)
    start += size
    if (size === 0) continue
    e.vector(i, affine(size), g.target.mapLanes, () => {
      const value = e.read(part, [...lead, ofVar(i)])
      e.store(g.refOf(node), node.dtype, e.address(shapeOf(node), [...lead, to]), value)
    })
  }
}
