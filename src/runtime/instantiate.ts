// From the nodes of a flush to a program: a copy of the graph that holds no values, expanded to primitives.

import { stopGradient } from '../ir/build.js'
import { carriesFloats, Node, topological } from '../ir/node.js'
import { parameter } from '../ir/primitives/source.js'
import type { Program } from '../ir/program.js'
import { expandComposites, isWhole } from '../transforms/expand.js'
import { Role } from './key.js'

/**
 * Copies the graph (a cached plan must not keep the values of the step it was built for alive),
 * replaces what is bound by parameters, and expands composites and gradients.
 *
 * A node that is bound *and* differentiated through keeps its structure until gradients are expanded;
 * only then is it replaced by its parameter, so that its value is used and not computed again.
 */
export function instantiate(
  order: readonly Node[],
  roles: readonly Role[],
  outputs: readonly Node[],
): Program {
  const place = new Map<Node, number>()
  for (const [i, node] of order.entries()) place.set(node, i)
  const copyOf = (x: Node): Node => copies[place.get(x) as number] as Node
  const copies: Node[] = []
  const inputs: Node[] = []
  const differentiated: { readonly at: number; readonly parameter: Node }[] = []
  for (let i = 0; i < order.length; i++) {
    const node = order[i] as Node
    const role = roles[i] as Role
    let copy: Node
    if (role === Role.Bound) {
      copy = parameter(node.shape, node.dtype)
      inputs.push(copy)
    } else {
      const blocked = !node.needsGrad && node.op.name !== 'gradOf' && carriesFloats(node)
      const args = node.inputs.map((x) => {
        const input = copyOf(x)
        // Recorded without gradients (noGrad) on something that has them: nothing may flow back here.
        return blocked && x.needsGrad ? stopGradient(input) : input
      })
      copy = new Node(node.op, args, node.attrs, node.shape, node.dtype, node.outputs)
    }
    copy.needsGrad = node.needsGrad
    copy.site = node.site
    copy.name = node.name
    copies.push(copy)
    if (role === Role.BoundWithInputs) {
      const bound = parameter(node.shape, node.dtype)
      inputs.push(bound)
      differentiated.push({ at: i, parameter: bound })
    }
  }
  const roots = outputs.map(copyOf)
  const structural = differentiated.map((d) => copies[d.at] as Node)
  const expanded = expandComposites([...roots, ...structural], undefined, isWhole)
  if (structural.length === 0) return { inputs, outputs: expanded }
  const replace = new Map<Node, Node>()
  structural.forEach((_, k) => {
    replace.set(
      expanded[roots.length + k] as Node,
      (differentiated[k] as { parameter: Node }).parameter,
    )
  })
  return { inputs, outputs: substitute(expanded.slice(0, roots.length), replace) }
}

/** The graph with some nodes replaced; nodes that do not depend on a replacement stay the same. */
export function substitute(roots: readonly Node[], replace: ReadonlyMap<Node, Node>): Node[] {
  const done = new Map<Node, Node>(replace)
  for (const node of topological(roots, (n) => replace.has(n))) {
    if (done.has(node)) continue
    if (node.inputs.every((x) => done.get(x) === x)) {
      done.set(node, node)
      continue
    }
    const args = node.inputs.map((x) => done.get(x) as Node)
    const copy = new Node(node.op, args, node.attrs, node.shape, node.dtype, node.outputs)
    copy.site = node.site
    done.set(node, copy)
  }
  return roots.map((r) => done.get(r) as Node)
}
