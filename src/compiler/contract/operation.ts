// Contractions as nodes of a graph: which of the two it is, its kernels, and how they read its operands.

import type { ConvAttrs, DotAttrs } from '../../ir/build.js'
import type { Node } from '../../ir/node.js'
import { shapeOf } from '../../ir/sizes.js'
import type { KernelCall, LoweringContext, Reader, Writer } from '../kernel/assembly.js'
import type { Target } from '../kernel/ir.js'
import { lowerConv, readingsOfConv } from './conv.js'
import { lowerDot, readingsOfDot } from './dot.js'
import type { Readings } from './readings.js'
import type { ConvSpec, DotSpec } from './spec.js'

/** The kernels of a contraction. */
export const kernelsOfContraction = (
  node: Node,
  left: Reader,
  right: Reader,
  out: Writer,
  context: LoweringContext,
): KernelCall[] =>
  node.op.name === 'dot'
    ? lowerDot(dotSpec(node), left, right, out, context)
    : lowerConv(convSpec(node), left, right, out, context)

/** How a contraction reads its operands. */
export const readingsOfContraction = (
  node: Node,
  left: Reader,
  right: Reader,
  out: Writer,
  target: Target,
): Readings =>
  node.op.name === 'dot'
    ? readingsOfDot(dotSpec(node), left, right, out, target)
    : readingsOfConv(convSpec(node), left, right, out, target)

const dotSpec = ({ attrs, dtype, inputs: [a, b] }: Node): DotSpec => ({
  attrs: attrs as unknown as DotAttrs,
  left: shapeOf(a as Node),
  right: shapeOf(b as Node),
  dtype,
})

const convSpec = ({ attrs, dtype, inputs: [a, b] }: Node): ConvSpec => ({
  attrs: attrs as unknown as ConvAttrs,
  input: shapeOf(a as Node),
  kernel: shapeOf(b as Node),
  dtype,
})
