// Arithmetic on the operands of contractions: by a kernel before the contraction, or where it reads them?
//
// A contraction writes many operands down anyway, as its loops like to find them (panels, staged images, rows
// of a tile), and reads others a single time. There arithmetic takes as long as in a kernel of its own, and
// its result need not go to memory and come back. But a contraction that would compute each element again and
// again is better off with the result.

import { isFloat } from '../../base/dtype.js'
import { stridesOf } from '../../base/shape.js'
import type { Node } from '../../ir/node.js'
import { bytesOf, elementsOf, shapeOf } from '../../ir/sizes.js'
import { readingsOfContraction } from '../contract/operation.js'
import { Probe } from '../contract/probe.js'
import type { Reading } from '../contract/readings.js'
import { isView } from '../coordinates/views.js'
import { isElementwise, laneCost } from '../costs.js'
import { readerOf } from '../expressions/reader.js'
import { linear } from '../kernel/affine.js'
import { type BufferRef, MEMORY_TYPE, type Reader, type Writer } from '../kernel/assembly.js'
import type { Affine, Target } from '../kernel/ir.js'
import { kindOf } from '../kinds.js'
import { constantBelow } from '../simplify/constants.js'
import type { Group } from './group.js'
import type { Notes } from './notes.js'

/** Most that computing an element may cost, in additions. */
const MOST_COST = 40
/** The same between multiply-adds, whose registers it takes. */
const MOST_AMID = 8
/** Most values in memory that an element is computed from. */
const MOST_SOURCES = 8
/** Most contractions that one value is computed by. */
const MOST_USES = 2
/** What a value with fewer elements than the operand may cost to be computed for each of those anew. */
const CHEAP = 2
/** Bytes that move in the time of an addition where caches hold most of them; from memory fewer do. */
const BYTES_AN_ADDITION = 3
/** How often a line that is written goes to and from memory: it is fetched before. */
const WRITE = 2

/** What contractions compute of an operand, and from what. */
export interface Prologue {
  /** Nodes that are computed where the operand is read. */
  readonly inPlace: ReadonlySet<Node>
  /** Values in memory they are computed from. */
  readonly sources: ReadonlySet<Node>
  /** Sources that wait to be placed: they have fewer elements than the operand, and are dear. */
  readonly before: ReadonlySet<Node>
}

/** One operand of one contraction. */
interface Use {
  readonly contraction: Node
  readonly operand: number
}

/** Decides which pending values contractions compute for themselves. */
export class Prologues {
  private readonly known = new Map<Node, Prologue | null>()
  private users: Map<Node, Node[]> | null = null

  constructor(
    private readonly nodes: readonly Node[],
    private readonly outputs: ReadonlySet<Node>,
    private readonly target: Target,
    private readonly notes: Notes,
    private readonly groupOf: ReadonlyMap<Node, Group>,
  ) {}

  /**
   * How all contractions that use a pending value compute it for themselves; null if it has to be in memory.
   *
   * @param joins tries to make it the last step of a kernel that is there already, which is best of all
   */
  of(value: Node, joins: () => boolean): Prologue | null {
    let prologue = this.known.get(value)
    if (prologue === undefined) {
      prologue = this.decide(value, joins)
      this.known.set(value, prologue)
    }
    return prologue
  }

  private decide(value: Node, joins: () => boolean): Prologue | null {
    if (elementsOf(value) === 0 || this.notes.costOf(value) > MOST_COST) return null
    const uses = this.usesOf(value)
    if (uses === null || uses.length > MOST_USES || joins()) return null
    const prologue = this.below(value)
    return prologue !== null && this.pays(value, prologue, uses) ? prologue : null
  }

  /** Whether computing a value where it is used takes less time than writing and reading it. */
  private pays(value: Node, prologue: Prologue, uses: readonly Use[]): boolean {
    const { inPlace, sources } = prologue
    let cost = 0
    for (const n of inPlace) cost += laneCost(n)
    let bytes = 0
    for (const s of sources) bytes += bytesOf(s)
    const computing = bytes / BYTES_AN_ADDITION + elementsOf(value) * cost
    const reading = bytesOf(value) / BYTES_AN_ADDITION
    let apart = computing + WRITE * reading
    let fused = 0
    for (const use of uses) {
      const how = this.readingOf(use, prologue)
      if (how === null || (how.amid && cost > MOST_AMID)) return false
      // A view may show elements several times.
      const shown = elementsOf(use.contraction.inputs[use.operand] as Node) / elementsOf(value)
      apart += shown * reading
      fused += shown * how.times * computing
      if (how.stored) fused += shown * (WRITE + 1) * reading
    }
    return fused < apart
  }

  // ---- users -----------------------------------------------------------------------------------

  /** The operands that are a value or a view of it; null if it has other uses. */
  private usesOf(value: Node): Use[] | null {
    const uses: Use[] = []
    const stack = [value]
    for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
      if (this.outputs.has(n)) return null
      for (const user of this.usersOf(n)) {
        if (isView(user)) stack.push(user)
        else if (kindOf(user) !== 'contract') return null
        else {
          for (const [operand, x] of user.inputs.entries()) {
            if (x === n) uses.push({ contraction: user, operand })
          }
        }
      }
    }
    return uses
  }

  private usersOf(node: Node): readonly Node[] {
    this.users ??= usersIn(this.nodes)
    return this.users.get(node) ?? []
  }

  // ---- what it takes ---------------------------------------------------------------------------

  private below(value: Node): Prologue | null {
    const inPlace = new Set<Node>()
    const sources = new Set<Node>()
    const before = new Set<Node>()
    const stack = [value]
    for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
      if (constantBelow(n) !== null || inPlace.has(n)) continue
      if (this.groupOf.has(n) || kindOf(n) === 'leaf') sources.add(n)
      else if (isView(n)) stack.push(n.inputs[0] as Node)
      else if (elementsOf(n) < elementsOf(value) && this.notes.costOf(n) > CHEAP) {
        sources.add(n)
        before.add(n)
      } else if (isHarmless(n)) {
        inPlace.add(n)
        stack.push(...n.inputs)
      } else return null
    }
    return sources.size <= MOST_SOURCES ? { inPlace, sources, before } : null
  }

  // ---- how it is read --------------------------------------------------------------------------

  /** How a contraction would read an operand that it computes; null if finding elements takes divisions. */
  private readingOf({ contraction, operand }: Use, { inPlace }: Prologue): Reading | null {
    const refs = new Map<Node, BufferRef>()
    const refOf = (n: Node): BufferRef => {
      let ref = refs.get(n)
      if (ref === undefined) {
        ref = { id: refs.size, type: MEMORY_TYPE[n.dtype], length: elementsOf(n), name: n.op.name }
        refs.set(n, ref)
      }
      return ref
    }
    const isComputed = (n: Node): boolean => inPlace.has(n) || constantBelow(n) !== null
    const inMemory = (n: Node): boolean => this.groupOf.has(n) || (!isView(n) && !isComputed(n))
    const memoryOf = (n: Node): BufferRef | null => (inMemory(n) ? refOf(n) : null)
    const readers = contraction.inputs.map((x, i): Reader => {
      if (i === operand) return readerOf(x, inMemory, { memoryOf, fault: () => 0 })
      const read: Reader['read'] = (k, at) => k.load(k.use(refOf(x), 'read'), addressOf(x, at))
      return { shape: shapeOf(x), dtype: x.dtype, direct: null, read }
    })
    const given = readers[operand] as Reader
    if (!new Probe(given.shape.length, (k, at) => given.read(k, at)).strided) return null
    const out: Writer = {
      direct: null,
      write: (k, at, value) =>
        k.store(k.use(refOf(contraction), 'write'), addressOf(contraction, at), value),
    }
    const [left, right] = readers as [Reader, Reader]
    const readings = readingsOfContraction(contraction, left, right, out, this.target)
    return readings[operand] as Reading
  }
}

/** Whether a node may be computed anywhere, any number of times: elementwise, and with no fault to report. */
const isHarmless = ({ op, dtype }: Node): boolean =>
  isElementwise(op.name) && (isFloat(dtype) || (op.name !== 'div' && op.name !== 'rem'))

/** Where an element of a value lies in memory. */
const addressOf = (node: Node, at: readonly Affine[]): Affine =>
  linear(at, stridesOf(shapeOf(node)))

function usersIn(nodes: readonly Node[]): Map<Node, Node[]> {
  const users = new Map<Node, Node[]>()
  for (const user of nodes) {
    for (const x of new Set(user.inputs)) {
      const list = users.get(x)
      if (list === undefined) users.set(x, [user])
      else list.push(user)
    }
  }
  return users
}
