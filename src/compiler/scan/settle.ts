// Scans made ready for lowering: those that are views of one computation become one, results and inputs
// nobody reads are dropped, bodies are simplified, and shared matrices laid out as products want them.

import { Body } from '../../ir/body.js'
import * as b from '../../ir/build.js'
import { type Node, topological } from '../../ir/node.js'
import { parameter } from '../../ir/primitives/source.js'
import type { OutputAttrs } from '../../ir/primitives/structure.js'
import { elementsOf, shapeOf } from '../../ir/sizes.js'
import { rewrite } from '../../transforms/rewrite.js'
import { simplify } from '../simplify/simplify.js'

const isScan = (node: Node): boolean => node.op.name === 'scan'
const attrsOf = (node: Node): b.ScanAttrs => node.attrs as b.ScanAttrs
const ids = (nodes: readonly Node[]): string => nodes.map((n) => n.id).join()

/** Equal for scans that do the same steps on the same inputs, whatever results they show. */
function keyOf(scan: Node): string {
  const { body, shared, carries, length, reverse } = attrsOf(scan)
  return `${ids(scan.inputs)} ${ids(body.inputs)} ${shared} ${carries} ${length} ${reverse}`
}

/** The graph below `roots`, simplified, with its scans settled. Shapes are known. */
export function settle(roots: readonly Node[]): Node[] {
  const simple = simplify(roots)
  const order = topological(simple)
  if (!order.some(isScan)) return simple
  const families = new Map<string, Family>()
  const familyOf = new Map<Node, Family>()
  for (const node of order) {
    if (isScan(node)) {
      const key = keyOf(node)
      const family = families.get(key) ?? new Family()
      families.set(key, family)
      family.add(node)
      familyOf.set(node, family)
    } else if (node.op.name === 'output') {
      const scan = node.inputs[0] as Node
      familyOf.get(scan)?.use(scan, (node.attrs as OutputAttrs).index)
    }
  }
  return simplify(
    rewrite(simple, (node, inputs) => familyOf.get(node)?.resultsOf(node, inputs) ?? null),
  )
}

/** Scans that are views of one computation. */
class Family {
  private readonly members = new Map<Node, Set<number>>()
  private merged: Merged | null = null

  add(scan: Node): void {
    this.members.set(scan, new Set())
  }

  use(scan: Node, result: number): void {
    this.members.get(scan)?.add(result)
  }

  /** What takes the place of a member's results. Those nobody reads are not to be had. */
  resultsOf(scan: Node, inputs: readonly Node[]): Node[] {
    const merged = this.merged ?? merge(this.members, inputs)
    this.merged = merged
    const { body, carries } = attrsOf(scan)
    const first = b.output(merged.scan, 0)
    return body.outputs.map((_, i) => {
      if (!this.members.get(scan)?.has(i)) return first
      const at = i < carries ? merged.carryAt.get(i) : merged.stackedAt.get(`${scan.id} ${i}`)
      return b.output(merged.scan, at as number)
    })
  }
}

interface Merged {
  readonly scan: Node
  /** Where results of the members are among those of the merged scan: states by number, … */
  readonly carryAt: ReadonlyMap<number, number>
  /** … and stacked ones by member and number. */
  readonly stackedAt: ReadonlyMap<string, number>
}

function merge(members: ReadonlyMap<Node, ReadonlySet<number>>, inputs: readonly Node[]): Merged {
  const first = [...members.keys()][0] as Node
  const attrs = attrsOf(first)
  const { body, shared, carries } = attrs
  const used = new Set<number>()
  const stacked: { readonly key: string; readonly node: Node }[] = []
  for (const [scan, results] of members) {
    const { outputs } = attrsOf(scan).body
    for (const i of [...results].sort((x, y) => x - y)) {
      if (i < carries) used.add(i)
      else stacked.push({ key: `${scan.id} ${i}`, node: outputs[i] as Node })
    }
  }
  const graph = settle([...body.outputs.slice(0, carries), ...stacked.map((s) => s.node)])
  const next = graph.slice(0, carries)
  const results = [...new Set(graph.slice(carries))]
  const live = liveCarries(body.inputs.slice(shared), next, results, used)
  const outputs = [...live.map((i) => next[i] as Node), ...results]
  const reached = new Set(topological(outputs))
  const kept = body.inputs
    .map((_, i) => i)
    .filter((i) => {
      const isCarry = i >= shared && i < shared + carries
      return isCarry ? live.includes(i - shared) : reached.has(body.inputs[i] as Node)
    })
  const before = kept.filter((i) => i < shared).length
  const scan = b.scan(
    kept.map((i) => inputs[i] as Node),
    {
      ...attrs,
      body: new Body(
        kept.map((i) => body.inputs[i] as Node),
        outputs,
      ),
      shared: before,
      carries: live.length,
    },
  )
  scan.site = first.site
  const at = (node: Node): number => live.length + results.indexOf(node)
  return {
    scan: layOutShared(scan),
    carryAt: new Map(live.map((i, k) => [i, k])),
    stackedAt: new Map(stacked.map(({ key }, k) => [key, at(graph[carries + k] as Node)])),
  }
}

/** The states that some result depends on. */
function liveCarries(
  states: readonly Node[],
  next: readonly Node[],
  results: readonly Node[],
  used: ReadonlySet<number>,
): number[] {
  const live = new Set(used)
  for (let before = -1; before < live.size; ) {
    before = live.size
    const reached = new Set(topological([...results, ...[...live].map((i) => next[i] as Node)]))
    next.forEach((_, i) => {
      if (reached.has(states[i] as Node)) live.add(i)
    })
  }
  return [...live].sort((x, y) => x - y)
}

/**
 * A shared matrix whose contracted axis lies along memory is transposed once, ahead of the loop: a product
 * would have to turn it in every step.
 */
function layOutShared(scan: Node): Node {
  const attrs = attrsOf(scan)
  const { body, shared } = attrs
  const turned = new Map<Node, Node>()
  const turn = (x: Node): Node => {
    const known = turned.get(x)
    if (known !== undefined) return known
    const [rows, columns] = shapeOf(x)
    const made = parameter([columns as number, rows as number], x.dtype)
    turned.set(x, made)
    return made
  }
  const matrices = new Set(body.inputs.slice(0, shared).filter((x) => x.shape.length === 2))
  const outputs = rewrite(body.outputs, (node, inputs) => {
    if (node.op.name !== 'dot') return null
    const { leftContract, rightContract, ...axes } = node.attrs as unknown as b.DotAttrs
    const contracts = [leftContract, rightContract]
    const [left, right] = inputs.map((x, i) => {
      const other = node.inputs[1 - i] as Node
      const contracted = (contracts[1 - i] as readonly number[]).map(
        (a) => other.shape[a] as number,
      )
      const depth = contracted.reduce((p, n) => p * n, 1)
      const rows = elementsOf(other) / Math.max(1, depth)
      const against = String(contracts[i]) === '1' && rows > 1 && matrices.has(x)
      return against ? turn(x) : x
    }) as [Node, Node]
    if (left === inputs[0] && right === inputs[1]) return null
    const contract = (x: Node, i: number) => (x === inputs[i] ? contracts[i] : [0]) as number[]
    return [
      b.dot([left, right], {
        ...axes,
        leftContract: contract(left, 0),
        rightContract: contract(right, 1),
      }),
    ]
  })
  if (turned.size === 0) return scan
  const reached = new Set(topological(outputs))
  const own = body.inputs.map((inside, i) => ({ inside, outside: scan.inputs[i] as Node }))
  const values = [
    ...own.slice(0, shared).filter(({ inside }) => reached.has(inside)),
    ...[...turned].map(([x, inside]) => ({
      inside,
      outside: b.transpose(scan.inputs[body.inputs.indexOf(x)] as Node, [1, 0]),
    })),
  ]
  const inputs = [...values, ...own.slice(shared)]
  const settled = b.scan(
    inputs.map((x) => x.outside),
    {
      ...attrs,
      body: new Body(
        inputs.map((x) => x.inside),
        outputs,
      ),
      shared: values.length,
    },
  )
  settled.site = scan.site
  return settled
}
