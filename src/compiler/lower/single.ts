// Lowers operations with loops of their own: scatters, block updates, folding of overlapping windows.

import { sizeOf, stridesOf } from '../../base/shape.js'
import type { WindowAttrs } from '../../ir/build.js'
import type { Node } from '../../ir/node.js'
import { elementsOf, shapeOf } from '../../ir/sizes.js'
import { IndexSpace, reshapeCoords } from '../coordinates/space.js'
import { boolTo, constantOf } from '../expressions/elementwise.js'
import { blockOffset, checkedIndex, Emitter } from '../expressions/emitter.js'
import { affine, linear, ofVar, plus, times, ZERO } from '../kernel/affine.js'
import { KernelAssembly, type KernelCall, REGISTER_TYPE } from '../kernel/assembly.js'
import type { Affine, Reg } from '../kernel/ir.js'
import { hasAttentionKernel } from './attention/claim.js'
import { lowerAttention } from './attention/forward.js'
import { lowerAttentionGradient } from './attention/gradient.js'
import type { GroupLowering } from './lower.js'
import { inPieces, type Loop, overChunks } from './nest.js'

const CHUNK = 16384

/** A kernel over `shape`: loops outside, a vector along the last axis. */
function overShape(
  g: GroupLowering,
  what: string,
  shape: readonly number[],
  body: (e: Emitter, coords: readonly Affine[]) => void,
  workPerElement = 1,
): KernelCall[] {
  if (sizeOf(shape) === 0) return []
  const space = new IndexSpace()
  const k = new KernelAssembly(`${g.name} ${what}`)
  const e = new Emitter(k, space, g.around)
  const target = Math.max(g.target.mapLanes, Math.floor(CHUNK / workPerElement))
  const last = inPieces(space, shape[shape.length - 1] ?? 1, target)
  const loops: Loop[] = []
  const coords = shape.map((size, i) => {
    if (i === shape.length - 1) return last.index
    const variable = space.variable(`x${i}`, size)
    loops.push({ variable, size })
    return ofVar(variable)
  })
  if (last.outer !== null) loops.push(last.outer)
  overChunks(e, loops, Math.min(shape[shape.length - 1] ?? 1, target), target, () => {
    e.vector(last.inner, last.count, g.target.mapLanes, () => body(e, coords))
  })
  k.bytes = g.bytes
  return [k.call()]
}

/** The operation's first operand, copied to where its result goes. */
function copyBase(g: GroupLowering, node: Node): KernelCall[] {
  const base = node.inputs[0] as Node
  const flat = [elementsOf(node)]
  return overShape(g, 'copy', flat, (e, [at]) => {
    const coords = reshapeCoords(e.space, [at as Affine], flat, shapeOf(base))
    e.store(g.refOf(node), node.dtype, at as Affine, e.read(base, coords))
  })
}

const toMemory = (e: Emitter, node: Node, value: Reg): Reg =>
  node.dtype === 'bool' ? boolTo(e.k, 'int32', value) : value

/**
 * Updates one after the other, so that duplicates combine in index order; columns (what lies behind the
 * axis) and what lies before it are independent, and shared out.
 */
function scatter(g: GroupLowering, node: Node): KernelCall[] {
  const [base, indices, updates] = node.inputs as [Node, Node, Node]
  const axis = node.attrs.axis as number
  const shape = shapeOf(base)
  const size = shape[axis] as number
  const lead = shape.slice(0, axis)
  const columns = sizeOf(shape.slice(axis + 1))
  const count = elementsOf(indices)
  if (count * sizeOf(lead) * columns === 0) return []
  const space = new IndexSpace()
  const k = new KernelAssembly(g.name)
  const e = new Emitter(k, space, g.around)
  const out = k.use(g.refOf(node), 'readwrite')
  const loops: Loop[] = lead.map((n, i) => ({ variable: space.variable(`x${i}`, n), size: n }))
  const leading = loops.map((l) => ofVar(l.variable))
  const wanted = Math.max(64, Math.ceil(CHUNK / count / 64) * 64)
  const piece = inPieces(space, columns, wanted)
  if (piece.outer !== null) loops.push(piece.outer)
  const strides = stridesOf(shape)
  const start = linear(leading, strides)
  overChunks(e, loops, count * Math.min(columns, wanted), CHUNK, () => {
    const at = space.variable('update', count)
    e.loop(at, ZERO, affine(count), () => {
      const place = reshapeCoords(space, [ofVar(at)], [count], shapeOf(indices))
      const row = checkedIndex(e, node, e.read(indices, place), size)
      const update = (column: Affine): void => {
        const behind = reshapeCoords(space, [column], [columns], shape.slice(axis + 1))
        const value = e.read(updates, [...leading, ...place, ...behind])
        const here = plus(start, column)
        const stored = toMemory(e, node, node.op.name === 'scatterAdd' ? added(here, value) : value)
        k.emit({ op: 'scatter', buffer: out, at: here, offset: row, scale: columns, from: stored })
      }
      const added = (here: Affine, value: Reg): Reg => {
        const sum = k.set('add', k.gather(out, here, row, columns), value)
        return node.dtype === 'uint8' ? k.set('and', sum, k.const('i32', 255)) : sum
      }
      if (columns === 1) update(ZERO)
      else e.vector(piece.inner, piece.count, g.target.mapLanes, () => update(piece.index))
    })
  })
  return [...copyBase(g, node), k.call()]
}

/** A block written over a copy, at a place that is data. */
function dynamicUpdate(g: GroupLowering, node: Node): KernelCall[] {
  const [, block, ...starts] = node.inputs as [Node, Node, ...Node[]]
  const write = overShape(g, 'write', shapeOf(block), (e, coords) => {
    const offset = blockOffset(e, shapeOf(node), shapeOf(block), starts)
    const at = e.address(shapeOf(node), coords)
    const from = toMemory(e, node, e.read(block, coords))
    const buffer = e.k.use(g.refOf(node), 'write')
    e.k.emit({ op: 'scatter', buffer, at, offset, scale: 1, from })
  })
  return [...copyBase(g, node), ...write]
}

/** Every element gathers the windows that cover it; nothing is scattered. */
function fold(g: GroupLowering, node: Node): KernelCall[] {
  const windows = node.inputs[0] as Node
  const { size, strides, dilation } = node.attrs as unknown as WindowAttrs
  const lead = shapeOf(node).length - size.length
  const positions = shapeOf(windows).slice(lead, lead + size.length)
  return overShape(
    g,
    '',
    shapeOf(node),
    (e, coords) => {
      const type = REGISTER_TYPE[node.dtype]
      const sum = e.k.accumulator(type, 0)
      const taps: Affine[] = []
      const open = (a: number): void => {
        if (a === size.length) {
          term()
          return
        }
        const tap = e.space.variable('tap', size[a] as number)
        taps.push(ofVar(tap))
        e.loop(tap, ZERO, affine(size[a] as number), () => open(a + 1))
      }
      const term = (): void => {
        const at: Affine[] = []
        const conditions = size.flatMap((_, a) => {
          const stride = strides[a] as number
          const raw = plus(
            coords[lead + a] as Affine,
            times(taps[a] as Affine, -(dilation[a] as number)),
          )
          const inside = e.between(raw, 0, ((positions[a] as number) - 1) * stride + 1)
          at.push(stride === 1 ? raw : e.space.digit(raw, stride, 0))
          if (stride === 1) return inside
          const left = e.space.digit(raw, 1, stride)
          return [...inside, { left, cmp: 'eq' as const, right: ZERO }]
        })
        const none = constantOf(e.k, node.dtype, 0)
        const value = e.guarded(node.dtype, none, conditions, () =>
          e.read(windows, [...coords.slice(0, lead), ...at, ...taps]),
        )
        e.k.update(sum, 'add', sum, value)
      }
      open(0)
      const wrapped = node.dtype === 'uint8' ? e.k.set('and', sum, e.k.const('i32', 255)) : sum
      e.store(g.refOf(node), node.dtype, e.address(shapeOf(node), coords), wrapped)
    },
    sizeOf(size),
  )
}

const SINGLES: Readonly<Record<string, (g: GroupLowering, node: Node) => KernelCall[]>> = {
  attention: lowerAttention,
  attentionGradient: lowerAttentionGradient,
  scatterAdd: scatter,
  scatterSet: scatter,
  dynamicUpdate,
  fold,
}

export function lowerSingle(g: GroupLowering): KernelCall[] {
  const node = g.group.anchor as Node
  const lower = SINGLES[node.op.name]
  if (lower === undefined) throw new Error(`no kernels for ${node.op.name}`)
  const calls = lower(g, node)
  // Nothing to scatter still leaves the copy to be made.
  return calls.length === 0 && node.op.name !== 'fold' ? copyBase(g, node) : calls
}

/** Whether a composite is computed by kernels that know it by name, rather than by its body. */
export const hasKernel = (node: Node): boolean => hasAttentionKernel(node)
