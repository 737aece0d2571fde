// Value numbering and rewriting in one walk: equal nodes become one, and rules apply until none does.

import type { Dim } from '../../base/dim.js'
import { Body } from '../../ir/body.js'
import { Node, topological } from '../../ir/node.js'
import type { AttrKind, AttrValue } from '../../ir/op.js'
import { fold } from './constants.js'
import { DECOMPOSITIONS } from './decompose.js'
import { RULES } from './rules.js'

function printValue(kind: AttrKind | undefined, value: AttrValue): string {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (Array.isArray(value)) return (value as readonly Dim[]).join(',')
  if (value instanceof Body) return `body ${numberOf(value)}`
  return kind === 'name' ? JSON.stringify(value) : String(value)
}

const numbers = new WeakMap<Body, number>()
let numbered = 0

/** Bodies are told apart by identity. */
function numberOf(body: Body): number {
  let n = numbers.get(body)
  if (n === undefined) {
    n = numbered++
    numbers.set(body, n)
  }
  return n
}

/** What tells a node from others with the same inputs. */
export function describe(node: Node): string {
  let text = node.op.name
  for (const name in node.attrs) {
    text += `;${name}=${printValue(node.op.attrs[name], node.attrs[name] as AttrValue)}`
  }
  return text
}

/** Most rewrites of one node: rules only simplify, so this is never reached unless two undo each other. */
const MOST_REWRITES = 32

/** Nodes by what they compute. Parameters and stateful nodes are only ever equal to themselves. */
class Numbering {
  private readonly byKey = new Map<string, Node>()
  private readonly numbers = new Map<Node, number>()
  /** Nodes that are simplified already, as written and as simplified. */
  readonly done = new Map<Node, Node>()

  private numberOf(node: Node): number {
    let n = this.numbers.get(node)
    if (n === undefined) {
      n = this.numbers.size
      this.numbers.set(node, n)
    }
    return n
  }

  /** The first node that computes what this one does. */
  canonical(node: Node): Node {
    if (node.op.name === 'param' || node.op.stateful) return node
    let key = describe(node)
    for (const x of node.inputs) key += `|${this.numberOf(x)}`
    const known = this.byKey.get(key)
    if (known !== undefined) return known
    this.byKey.set(key, node)
    return node
  }

  /** The simplest node known for `node`, whose inputs are simplified. */
  settle(node: Node): Node {
    let current = this.canonical(node)
    const seen = this.done.get(current)
    if (seen !== undefined) return seen
    for (let i = 0; i < MOST_REWRITES; i++) {
      const next = step(current)
      if (next === null) break
      if (next.site === null) next.site = current.site
      current = this.enter(next)
    }
    this.done.set(node, current)
    this.done.set(current, current)
    return current
  }

  /** Simplifies what a rule made: new nodes on top of simplified ones. A rule makes only a few. */
  private enter(node: Node): Node {
    const known = this.done.get(node)
    if (known !== undefined) return known
    if (node.op.name === 'param') return node
    return this.settle(
      withInputs(
        node,
        node.inputs.map((x) => this.enter(x)),
      ),
    )
  }
}

function step(node: Node): Node | null {
  for (const rule of RULES[node.op.name] ?? []) {
    const next = rule(node)
    if (next !== null && next !== node) return next
  }
  return fold(node) ?? DECOMPOSITIONS[node.op.name]?.(node) ?? null
}

/** The same operation on other inputs. */
export function withInputs(node: Node, inputs: readonly Node[]): Node {
  if (inputs.every((x, i) => x === node.inputs[i])) return node
  const copy = new Node(node.op, inputs, node.attrs, node.shape, node.dtype, node.outputs)
  copy.site = node.site
  copy.name = node.name
  return copy
}

/** An equal graph with fewer nodes: no two alike, none unneeded, none that a rule knows how to avoid. */
export function simplify(roots: readonly Node[]): Node[] {
  const numbering = new Numbering()
  for (const node of topological(roots)) {
    const inputs = node.inputs.map((x) => numbering.done.get(x) as Node)
    const settled = numbering.settle(withInputs(node, inputs))
    numbering.done.set(node, settled)
  }
  return roots.map((r) => numbering.done.get(r) as Node)
}
