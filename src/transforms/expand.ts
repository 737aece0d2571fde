// Down to primitives: gradients become graphs, then composites become their bodies.

import { Body } from '../ir/body.js'
import * as b from '../ir/build.js'
import { apply, type Node, topological } from '../ir/node.js'
import { expandGradients } from './gradof.js'
import { inheritSite, type Replace, rewrite } from './rewrite.js'

/** Whether a composite is left as it is. */
type Keep = (node: Node) => boolean

/** Gives the body of a composite, its own composites expanded too. */
function expander(keep: Keep): Replace {
  const expandBody: Replace = (node, inputs) => {
    if (node.op.expand === undefined) return expandWithin(node, inputs)
    if (keep(node)) return null
    const body = node.op.expand(inputs, node.attrs)
    const results: readonly Node[] = Array.isArray(body) ? body : [body as Node]
    const isInput = (n: Node): boolean => inputs.includes(n)
    inheritSite(results, node, isInput)
    return rewrite(results, expandBody, isInput)
  }
  return expandBody
}

const NONE: Keep = () => false
/** Composites that are for the compiler to take apart. */
export const isWhole: Keep = ({ op }) => op.whole === true

const expandedBodies = new WeakMap<Body, Body>()

/** A body in primitives alone, with the same parameters. */
function expandedBody(body: Body): Body {
  let expanded = expandedBodies.get(body)
  if (expanded === undefined) {
    expanded = isExpanded(body.outputs)
      ? body
      : new Body(body.inputs, expandComposites(body.outputs))
    expandedBodies.set(body, expanded)
  }
  return expanded
}

/** An operation that applies a body, with the body expanded. */
function expandWithin(node: Node, inputs: readonly Node[]): readonly Node[] | null {
  const { body } = node.attrs
  if (!(body instanceof Body)) return null
  const expanded = expandedBody(body)
  if (expanded === body) return null
  const now = apply(node.op, inputs, { ...node.attrs, body: expanded })
  now.site = node.site
  return (node.outputs as readonly unknown[]).map((_, i) => b.output(now, i))
}

/**
 * The graph below `roots` in primitives alone. Gradients are taken first, while composites that know
 * their own are still whole. Nodes that need no change keep their identity; new ones carry the call
 * site of what they replace. `isLeaf` nodes are left as they are, with all that is below them;
 * composites that `keep` answers true for stay, on inputs that are expanded.
 */
export function expandComposites(
  roots: readonly Node[],
  isLeaf?: (node: Node) => boolean,
  keep: Keep = NONE,
): Node[] {
  return rewrite(expandGradients(roots, isLeaf), expander(keep), isLeaf)
}

/** Whether anything below `roots` is left to expand. */
export const isExpanded = (roots: readonly Node[]): boolean =>
  topological(roots).every(
    ({ op, attrs }) =>
      op.expand === undefined &&
      op.name !== 'gradOf' &&
      !(attrs.body instanceof Body && expandedBody(attrs.body) !== attrs.body),
  )
