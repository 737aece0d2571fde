// The buffers of a plan in the making.

import type { Node } from '../../ir/node.js'
import { elementsOf } from '../../ir/sizes.js'
import { type BufferRef, MEMORY_TYPE } from '../kernel/assembly.js'

/** Makes buffers, and remembers which node's value each of them holds. */
export class Buffers {
  readonly all: BufferRef[] = []
  private readonly byNode = new Map<Node, BufferRef>()

  make(name: string, type: BufferRef['type'], length: number): BufferRef {
    const ref = { id: this.all.length, type, length, name }
    this.all.push(ref)
    return ref
  }

  of(node: Node): BufferRef {
    let ref = this.byNode.get(node)
    if (ref === undefined) {
      ref = this.make(node.name ?? node.op.name, MEMORY_TYPE[node.dtype], elementsOf(node))
      this.byNode.set(node, ref)
    }
    return ref
  }
}
