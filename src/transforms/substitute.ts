// Known sizes in the place of symbolic ones: a graph with open dimensions becomes one that can run.

import { type Dim, type DimEnv, dimSubstitute } from '../base/dim.js'
import { TesseraError } from '../base/errors.js'
import { isStatic, substituteShape } from '../base/shape.js'
import { Body } from '../ir/body.js'
import { formatSite, Node, type TensorType, topological } from '../ir/node.js'
import type { Attrs, AttrValue, Op } from '../ir/op.js'

/** The attributes with symbols replaced in those that are sizes; the same object where none changed. */
function substituteAttrs(op: Op, attrs: Attrs, env: DimEnv): Attrs {
  let changed: Record<string, AttrValue> | null = null
  for (const name in op.attrs) {
    const value = attrs[name]
    if (value instanceof Body) {
      const body = substituteBody(value, env)
      if (body !== value) changed = { ...(changed ?? attrs), [name]: body }
    }
    if (op.attrs[name] !== 'dims') continue
    const dims = value as readonly Dim[]
    if (isStatic(dims)) continue
    changed ??= { ...attrs }
    changed[name] = dims.map((d) => dimSubstitute(d, env))
  }
  return changed ?? attrs
}

/** A body with symbols replaced throughout; the same object where none occurred. */
function substituteBody(body: Body, env: DimEnv): Body {
  const now = substituteSizes([...body.inputs, ...body.outputs], env, () => null)
  const [inputs, outputs] = [body.inputs.map(now), body.outputs.map(now)]
  const same =
    inputs.every((x, i) => x === body.inputs[i]) && outputs.every((x, i) => x === body.outputs[i])
  return same ? body : new Body(inputs, outputs)
}

/** The same operation on inputs and attributes with known sizes: its type is inferred, and checked, anew. */
function rebuilt(node: Node, inputs: readonly Node[], attrs: Attrs): Node {
  let inferred: TensorType | readonly TensorType[]
  try {
    inferred = node.op.infer(inputs, attrs)
  } catch (error) {
    if (error instanceof TesseraError) error.located(formatSite(node.site))
    throw error
  }
  const outputs = Array.isArray(inferred) ? (inferred as readonly TensorType[]) : null
  const { shape, dtype } = outputs?.[0] ?? (inferred as TensorType)
  const copy = new Node(node.op, inputs, attrs, shape, dtype, outputs)
  copy.site = node.site
  copy.name = node.name
  copy.needsGrad = node.needsGrad
  return copy
}

/**
 * The graph below `roots` with symbolic sizes replaced in shapes and attributes. Every operation that
 * changes infers its type again, so sizes that do not go together show here, as the error the operation
 * itself gives. Nodes without symbols below them keep their identity.
 *
 * @param replace What takes the place of a node (it is not entered then); `null` to keep it.
 * @returns What each node below the roots has become.
 */
export function substituteSizes(
  roots: readonly Node[],
  env: DimEnv,
  replace: (node: Node) => Node | null,
): (node: Node) => Node {
  const replaced = new Map<Node, Node>()
  const isLeaf = (node: Node): boolean => {
    const other = replace(node)
    if (other !== null) replaced.set(node, other)
    return other !== null
  }
  const order = topological(roots, isLeaf)
  const now = (node: Node): Node => replaced.get(node) ?? node
  for (const node of order) {
    if (replaced.has(node)) continue
    const attrs = substituteAttrs(node.op, node.attrs, env)
    const inputs = node.inputs.map(now)
    const moved = inputs.some((x, i) => x !== node.inputs[i])
    if (moved || attrs !== node.attrs) replaced.set(node, rebuilt(node, inputs, attrs))
    else if (node.inputs.length === 0 && !isStatic(node.shape)) {
      const shape = substituteShape(node.shape, env)
      replaced.set(node, new Node(node.op, node.inputs, node.attrs, shape, node.dtype, null))
    }
  }
  return now
}
