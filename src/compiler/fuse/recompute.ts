// Values that later kernels compute again rather than load: cheap to make from what is in memory anyway.
//
// Fusion stores every member that another group reads. A training step reads a lot of small steps of its
// forward pass again (of an activation, say: half of x, x², 1 + tanh), and writing each of them to memory
// costs many times what making it takes. So a stored member that is a step or two away from one other
// value in memory is not stored, and whoever reads it reads that value instead.

import type { Node } from '../../ir/node.js'
import { laneCost } from '../costs.js'
import { isIndexCheck, kindOf, needsMemory } from '../kinds.js'
import { constantBelow } from '../simplify/constants.js'
import type { Fusion } from './fuse.js'
import { ALONE, type Group } from './group.js'
import { baseOf } from './notes.js'

/** What computing a value again may cost, in additions an element. */
const CHEAP = 2

/** Lane operations that read at places of their own, or report faults. */
const OWN_PLACES = new Set(['pad', 'concat', 'gather', 'dynamicSlice'])

/** Takes from the groups' stored members those that are better computed where they are read. */
export function recompute({ groups, groupOf }: Fusion, outputs: ReadonlySet<Node>): void {
  const readers = readersOf(groups)
  const isStored = (n: Node): boolean =>
    kindOf(n) === 'leaf' || (groupOf.get(n)?.stored.has(n) ?? false)

  /** The one value in memory that `n` can be made from within a cost; null if it takes more. */
  const sourceOf = (n: Node, budget: number): Node | null => {
    const left = budget - laneCost(n)
    if (left < 0 || kindOf(n) !== 'lane' || OWN_PLACES.has(n.op.name)) return null
    let source: Node | null = null
    for (const x of n.inputs) {
      if (constantBelow(x) !== null) continue
      const from = isStored(x) ? x : sourceOf(x, left)
      if (from === null || (source !== null && from !== source)) return null
      source = from
    }
    return source
  }

  for (const group of groups) {
    for (const n of group.members.keys()) {
      if (!group.stored.has(n) || outputs.has(n)) continue
      const source = sourceOf(n, CHEAP)
      const users = readers.get(n)
      if (source === null || users === undefined || users.some((u) => isOperand(u, n))) continue
      group.stored.delete(n)
      for (const u of users) {
        u.reads.delete(n)
        u.reads.add(source)
        readers.get(source)?.push(u)
      }
    }
  }
}

function readersOf(groups: readonly Group[]): Map<Node, Group[]> {
  const readers = new Map<Node, Group[]>()
  for (const g of groups) {
    for (const r of g.reads) {
      const list = readers.get(r)
      if (list === undefined) readers.set(r, [g])
      else list.push(g)
    }
  }
  return readers
}

/** Whether a group needs a value in memory: it steps through it, or looks elements up by data. */
function isOperand(group: Group, value: Node): boolean {
  const { anchor, kind } = group
  const isBelow = (x: Node): boolean => baseOf(x) === value
  if (ALONE.has(kind)) return true
  if (kind === 'contract' && anchor?.inputs.some(isBelow)) return true
  const looksUp = (m: Node): boolean =>
    m.inputs.some((x, i) => needsMemory(m, i) && !isIndexCheck(m) && isBelow(x))
  return [...group.members.keys(), ...group.inPlace].some(looksUp)
}
