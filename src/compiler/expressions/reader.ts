// Readers of a contraction's operands: plain memory where its views are strides, an expression otherwise.

import type { Node } from '../../ir/node.js'
import { shapeOf } from '../../ir/sizes.js'
import { IndexSpace } from '../coordinates/space.js'
import { stridesOfView } from '../coordinates/views.js'
import type { Reader } from '../kernel/assembly.js'
import { Emitter, type Surroundings } from './emitter.js'

/** Reads an operand in the midst of a plan in which some nodes are in memory. */
export function readerOf(
  node: Node,
  inMemory: (node: Node) => boolean,
  around: Surroundings,
): Reader {
  const strided = stridesOfView(node, inMemory)
  const buffer = strided && around.memoryOf(strided.home)
  return {
    shape: shapeOf(node),
    dtype: node.dtype,
    direct: strided && buffer && { buffer, offset: strided.offset, strides: strided.strides },
    read: (k, coords) => new Emitter(k, new IndexSpace(), around).read(node, coords),
  }
}
