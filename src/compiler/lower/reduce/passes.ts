// The passes of a reduce group over its reduced axes: what each of them reduces, stores and computes.
//
// A reduction that needs the result of another (the sum of a softmax needs its maximum) is one pass later.

import { DTYPES, type DType, isFloat } from '../../../base/dtype.js'
import type { Node } from '../../../ir/node.js'
import { laneCost } from '../../costs.js'
import type { GroupLowering } from '../lower.js'
import { isReduction } from '../nest.js'

/** A lane's work that is kept in scratch rather than done again in a later pass. */
const DEAR = 10

export interface Reduction {
  readonly fn: 'add' | 'mul' | 'max' | 'min'
  readonly identity: (dtype: DType) => number | bigint
}

const lowest = (d: DType): number | bigint =>
  isFloat(d) ? Number.NEGATIVE_INFINITY : d === 'int64' ? -(2n ** 63n) : DTYPES[d].min
const highest = (d: DType): number | bigint =>
  isFloat(d) ? Number.POSITIVE_INFINITY : d === 'int64' ? 2n ** 63n - 1n : DTYPES[d].max

const REDUCTIONS: Readonly<Record<string, Reduction>> = {
  reduceSum: { fn: 'add', identity: () => 0 },
  reduceProd: { fn: 'mul', identity: () => 1 },
  reduceMax: { fn: 'max', identity: lowest },
  reduceMin: { fn: 'min', identity: highest },
}

export const reductionOf = (node: Node): Reduction =>
  REDUCTIONS[
    node.op.name === 'partialReduce' ? (node.attrs.fn as string) : node.op.name
  ] as Reduction

/** Whether the elements may be combined in any order: the result has the same bits in each. */
export const isOrderless = (node: Node): boolean => {
  const { fn } = reductionOf(node)
  return fn === 'max' || fn === 'min' || !isFloat(node.dtype)
}

export interface Pass {
  readonly reductions: Node[]
  readonly stores: Node[]
}

export interface Schedule {
  readonly passes: readonly Pass[]
  /** Dear values of the whole domain that a later pass than their own needs again. */
  readonly dear: readonly Node[]
}

export function schedulePasses(g: GroupLowering): Schedule {
  const { group } = g
  /** In which pass each value can be computed: one more than the reductions it needs. */
  const stage = new Map<Node, number>()
  const seen = new Map<Node, number>()
  const below = (node: Node): number => {
    const known = stage.get(node) ?? seen.get(node)
    if (known !== undefined) return known
    let s = 0
    if (!g.traced.inMemory(node)) for (const x of node.inputs) s = Math.max(s, below(x))
    seen.set(node, s)
    return s
  }
  const passes: Pass[] = []
  const passAt = (i: number): Pass => {
    while (passes.length <= i) passes.push({ reductions: [], stores: [] })
    return passes[i] as Pass
  }
  for (const [m, level] of group.members) {
    let s = 0
    for (const x of m.inputs) s = Math.max(s, below(x))
    if (isReduction(m)) passAt(s++).reductions.push(m)
    stage.set(m, s)
    if (level === 'full' && group.stored.has(m)) passAt(s).stores.push(m)
  }
  return { passes, dear: dearMembers(g, passes, stage) }
}

function dearMembers(
  g: GroupLowering,
  passes: readonly Pass[],
  stage: ReadonlyMap<Node, number>,
): Node[] {
  const dear = new Set<Node>()
  passes.forEach((pass, p) => {
    for (const m of neededIn(g, pass, new Set()).full) {
      const again = (stage.get(m) as number) < p
      if (again && laneCost(m) >= DEAR && m.dtype !== 'bool') dear.add(m)
    }
  })
  return [...dear]
}

/** Members a pass computes or reads, by level, not looking below those in `stopAt`. */
export function neededIn(
  g: GroupLowering,
  pass: Pass,
  stopAt: ReadonlySet<Node>,
): { full: Set<Node>; kept: Set<Node> } {
  const full = new Set<Node>()
  const kept = new Set<Node>()
  const stack = [...pass.stores, ...pass.reductions.map((r) => r.inputs[0] as Node)]
  const seen = new Set<Node>()
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    if (seen.has(n) || g.traced.inMemory(n)) continue
    seen.add(n)
    const level = g.group.members.get(n)
    if (level === 'kept') kept.add(n)
    if (level === 'kept' || isReduction(n)) continue
    if (level === 'full') full.add(n)
    if (!stopAt.has(n)) stack.push(...n.inputs)
  }
  return { full, kept }
}
