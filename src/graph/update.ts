// Assignments to a graph's variables: nodes whose value a session stores when a run is over.

import * as b from '../ir/build.js'
import { apply, type Node } from '../ir/node.js'
import { type Attrs, define } from '../ir/op.js'
import { checkNumeric, checkSameDType, checkSameShape } from '../ir/primitives/check.js'

/** `set` replaces the value, `add` and `sub` change it. */
export type UpdateMode = 'set' | 'add' | 'sub'

interface UpdateAttrs extends Attrs {
  readonly mode: UpdateMode
}

const BODIES: { readonly [M in UpdateMode]: (before: Node, value: Node) => Node } = {
  set: (_, value) => value,
  add: b.add,
  sub: b.sub,
}

/** The value of a variable after an assignment. The effect is the session's: this only computes. */
const updateOp = define<UpdateAttrs>({
  name: 'update',
  attrs: { mode: 'name' },
  infer: ([before, value], { mode }) => {
    const { shape, dtype } = before!
    checkSameDType('assign', 'a value', before!, value!)
    checkSameShape('assign', 'a value', shape, value!.shape)
    if (mode !== 'set') checkNumeric('assign', before!)
    return { shape, dtype }
  },
  expand: ([before, value], { mode }) => BODIES[mode](before!, value!),
  samples: () => [
    { inputs: [{ shape: [2, 3] }, { shape: [2, 3] }], attrs: { mode: 'add' } },
    { inputs: [{ shape: [3] }, { shape: [3] }], attrs: { mode: 'sub' } },
    { inputs: [{ shape: [3] }, { shape: [3] }], attrs: { mode: 'set' } },
  ],
})

/** `before` is the variable, or its value after an earlier assignment of the same run. */
export function update(before: Node, value: Node, mode: UpdateMode): Node {
  const node = apply(updateOp, [before, value], { mode })
  node.needsGrad = false
  return node
}

/** The same assignment, to the value an earlier one left. */
export const updateOf = (node: Node, before: Node, value: Node): Node =>
  update(before, value, (node.attrs as UpdateAttrs).mode)
