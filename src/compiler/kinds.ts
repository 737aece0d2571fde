// What kind of work an operation is: where its operands have to be, and what may be computed with it.

import { Body } from '../ir/body.js'
import { type Node, topological } from '../ir/node.js'
import { elementsOf } from '../ir/sizes.js'
import { isView } from './coordinates/views.js'
import { isElementwise } from './costs.js'

/**
 * `leaf`: a parameter, in memory. `free`: constants and counters, computed wherever they are needed.
 * `view`: moves data only. `lane`: elementwise, or a read whose place is computed (pad, concat, gather).
 * `reduce`, `contract`: the loops other work is fused into. `single`: has kernels of its own.
 * `loop`: a body of kernels in a loop. `result`: one of several results, in memory when its operation is
 * done. `host`: evaluated by the reference.
 */
export type Kind =
  | 'leaf'
  | 'free'
  | 'view'
  | 'lane'
  | 'reduce'
  | 'contract'
  | 'single'
  | 'loop'
  | 'result'
  | 'host'

const KINDS: Readonly<Record<string, Kind>> = {
  param: 'leaf',
  const: 'free',
  iota: 'free',
  pad: 'lane',
  concat: 'lane',
  gather: 'lane',
  dynamicSlice: 'lane',
  reduceSum: 'reduce',
  reduceProd: 'reduce',
  reduceMax: 'reduce',
  reduceMin: 'reduce',
  partialReduce: 'reduce',
  dot: 'contract',
  conv: 'contract',
  scatterAdd: 'single',
  scatterSet: 'single',
  dynamicUpdate: 'single',
  fold: 'single',
  attention: 'single',
  attentionGradient: 'single',
  output: 'result',
}

/** Operations that find elements by data. */
const BY_DATA = new Set(['gather', 'dynamicSlice', 'scatterAdd', 'scatterSet', 'dynamicUpdate'])
/** Elements that offsets in registers of 32 bits reach, and a vector beyond. */
const FARTHEST = 2 ** 31 - 64

/** Whether a value is too large for kernels to find elements of it by data. */
const isFar = (x: Node): boolean => elementsOf(x) > FARTHEST

export function kindOf(node: Node): Kind {
  const known = KINDS[node.op.name]
  if (known !== undefined) {
    const far = BY_DATA.has(node.op.name) && isFar(node.inputs[0] as Node)
    return far && !isIndexCheck(node) ? 'host' : known
  }
  if (isView(node)) return 'view'
  if (node.attrs.body instanceof Body) return runsOnDevice(node.attrs.body) ? 'loop' : 'host'
  return isElementwise(node.op.name) ? 'lane' : 'host'
}

const onDevice = new WeakMap<Body, boolean>()

/** Whether every operation of a body has a kernel. */
function runsOnDevice(body: Body): boolean {
  let known = onDevice.get(body)
  if (known === undefined) {
    known = topological(body.outputs).every((n) => kindOf(n) !== 'host')
    onDevice.set(body, known)
  }
  return known
}

/** Operands an operation cannot compute in place: it needs them in memory. */
const FROM_MEMORY: Readonly<Record<string, (operand: number) => boolean>> = {
  gather: (i) => i === 0,
  dynamicSlice: (i) => i === 0,
}

export const needsMemory = (node: Node, operand: number): boolean =>
  (FROM_MEMORY[node.op.name]?.(operand) ?? false) && !isIndexCheck(node)

/** A gather from a plain counter gives the index itself, checked. (Losses check their classes so.) */
export const isIndexCheck = (node: Node): boolean => {
  const x = node.inputs[0]
  if (node.op.name !== 'gather' || x?.op.name !== 'iota') return false
  const { axis } = node.attrs
  return x.attrs.axis === axis && x.shape.every((n, i) => n === 1 || i === axis)
}
