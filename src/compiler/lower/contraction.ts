// Lowers a contraction group: readers and writers around the kernels of compiler/contract.

import { stridesOf } from '../../base/shape.js'
import type { Node } from '../../ir/node.js'
import { elementsOf, shapeOf } from '../../ir/sizes.js'
import { kernelsOfContraction } from '../contract/operation.js'
import { IndexSpace, reshapeCoords } from '../coordinates/space.js'
import { constantOf } from '../expressions/elementwise.js'
import { Emitter } from '../expressions/emitter.js'
import { readerOf } from '../expressions/reader.js'
import { ZERO } from '../kernel/affine.js'
import { KernelAssembly, type KernelCall, type Writer } from '../kernel/assembly.js'
import type { Affine } from '../kernel/ir.js'
import type { GroupLowering } from './lower.js'
import { inPieces, overChunks } from './nest.js'

/** Takes the contraction's results, applies the group's other members, and stores what is kept. */
function writerOf(g: GroupLowering, anchor: Node): Writer {
  const { group } = g
  const plain = group.members.size === 1 && group.stored.has(anchor)
  return {
    direct: plain
      ? { buffer: g.refOf(anchor), offset: 0, strides: stridesOf(shapeOf(anchor)) }
      : null,
    write: (k, given, value) => {
      // Along an axis of size 1 there is only one place, whatever variable counts it.
      const coords = given.map((c, i) => (shapeOf(anchor)[i] === 1 ? ZERO : c))
      const space = new IndexSpace()
      const places = new Map<Node, readonly Affine[]>()
      const placeOf = (m: Node): readonly Affine[] | null => {
        if (!group.members.has(m)) return null
        let at = places.get(m)
        if (at === undefined) {
          at = reshapeCoords(space, coords, shapeOf(anchor), shapeOf(m))
          places.set(m, at)
        }
        return at
      }
      places.set(anchor, coords)
      const e = new Emitter(k, space, { ...g.around, placeOf })
      e.bind(anchor, coords, value)
      for (const m of group.members.keys()) {
        if (!group.stored.has(m)) continue
        const at = placeOf(m) as readonly Affine[]
        e.store(g.refOf(m), m.dtype, e.address(shapeOf(m), at), e.read(m, at))
      }
    },
  }
}

export function lowerContraction(g: GroupLowering): KernelCall[] {
  const anchor = g.group.anchor as Node
  if (elementsOf(anchor) === 0) return []
  const [a, b] = anchor.inputs as [Node, Node]
  const { inMemory } = g.traced
  const left = readerOf(a, inMemory, g.around)
  const right = readerOf(b, inMemory, g.around)
  const writer = writerOf(g, anchor)
  if (elementsOf(a) === 0 || elementsOf(b) === 0) return [writeZeros(g, anchor, writer)]
  return kernelsOfContraction(anchor, left, right, writer, g.context)
}

/** A sum over nothing. */
function writeZeros(g: GroupLowering, anchor: Node, writer: Writer): KernelCall {
  const k = new KernelAssembly(g.name)
  const space = new IndexSpace()
  const e = new Emitter(k, space, g.around)
  const flat = inPieces(space, elementsOf(anchor), 16384)
  overChunks(e, flat.outer === null ? [] : [flat.outer], 16384, 16384, () => {
    e.vector(flat.inner, flat.count, g.target.mapLanes, () => {
      const coords = reshapeCoords(space, [flat.index], [elementsOf(anchor)], shapeOf(anchor))
      writer.write(
        k,
        coords.map((c) => e.resolve(c)),
        constantOf(k, anchor.dtype, 0),
      )
    })
  })
  return k.call()
}
