// Convolution of any number of spatial axes, general enough that its two gradients are convolutions too.

import {
  type Dim,
  dimAdd,
  dimExactDiv,
  dimFits,
  dimFloorDiv,
  dimMul,
  dimSub,
  isKnown,
} from '../../base/dim.js'
import { ShapeError, ValueError } from '../../base/errors.js'
import { formatShape, type Shape, sizeOf, stridesOf } from '../../base/shape.js'
import {
  type ConvAttrs,
  conv,
  full,
  pad,
  reshape,
  reverse,
  transpose,
  zerosLike,
} from '../build.js'
import type { Node, TensorType } from '../node.js'
import { define, type NDArray } from '../op.js'
import { checkAtLeast, checkNumeric, checkPerAxis, checkSameDType } from './check.js'
import { convSamples } from './convsamples.js'
import { innerProduct, store } from './host.js'

/** Length of `n` elements with dilation − 1 gaps between neighbours: (n − 1)·dilation + 1. */
export function dilated(n: Dim, dilation: number): Dim {
  if (n === 0 || dilation === 1) return n
  return dimAdd(dimMul(dimSub(n, 1), dilation), 1)
}

/** How many windows of `extent` fit into `room`, `stride` apart. */
export const windowCount = (room: Dim, extent: Dim, stride: number): Dim =>
  dimAdd(dimFloorDiv(dimSub(room, extent), stride), 1)

const formatList = (list: readonly number[]): string => `[${list.join(', ')}]`

function checkChannels(x: Shape, weight: Shape, { groups, batchGroups }: ConvAttrs): void {
  const at = `(weight is ${formatShape(weight)})`
  const channels = dimMul(weight[1]!, groups)
  if (!dimFits(x[1]!, channels)) {
    const grouped = groups === 1 ? '' : ` in ${groups} groups`
    const expected = `input with ${channels} channels${grouped} ${at}`
    throw new ShapeError('conv', expected, formatShape(x), { input: x, weight })
  }
  if (groups > 1 && batchGroups > 1) {
    throw new ValueError('conv', 'groups or batchGroups', `${groups} and ${batchGroups}`)
  }
  if (dimExactDiv(weight[0]!, groups * batchGroups) === null) {
    const expected = `output channels in ${groups * batchGroups} equal groups`
    throw new ShapeError('conv', expected, `weight of shape ${formatShape(weight)}`)
  }
  if (dimExactDiv(x[0]!, batchGroups) === null) {
    const expected = `a batch in ${batchGroups} equal groups`
    throw new ShapeError('conv', expected, `input of shape ${formatShape(x)}`)
  }
}

function inferConv(x: TensorType, weight: TensorType, attrs: ConvAttrs): TensorType {
  checkNumeric('conv', x)
  const dtype = checkSameDType('conv', 'a weight', x, weight)
  const rank = x.shape.length
  if (rank < 2 || weight.shape.length !== rank) {
    throw new ShapeError(
      'conv',
      'input [batch, channels, ...spatial] and weight [out, channels / groups, ...spatial] of one rank',
      `${formatShape(x.shape)} and ${formatShape(weight.shape)}`,
    )
  }
  const { strides, low, high, inputDilation, kernelDilation, groups, batchGroups } = attrs
  const perAxis = { strides, low, high, inputDilation, kernelDilation }
  for (const [what, list] of Object.entries(perAxis)) checkPerAxis('conv', what, list, rank - 2)
  checkAtLeast('conv', 'strides', strides, 1)
  checkAtLeast('conv', 'inputDilation', inputDilation, 1)
  checkAtLeast('conv', 'kernelDilation', kernelDilation, 1)
  checkAtLeast('conv', 'groups', [groups, batchGroups], 1)
  checkChannels(x.shape, weight.shape, attrs)
  const spatial = strides.map((stride, i) => {
    const n = x.shape[i + 2]!
    const k = weight.shape[i + 2]!
    const room = dimAdd(dilated(n, inputDilation[i]!), low[i]! + high[i]!)
    const extent = dilated(k, kernelDilation[i]!)
    const spare = dimSub(room, extent)
    if (k !== 0 && !(isKnown(spare) && spare < 0)) return windowCount(room, extent, stride)
    throw new ShapeError(
      'conv',
      `a padded input at least as large as the kernel on spatial axis ${i} (${extent}, not empty)`,
      `${room} (input is ${formatShape(x.shape)}, low ${formatList(low)}, high ${formatList(high)})`,
      { input: x.shape, weight: weight.shape },
    )
  })
  const batch = dimExactDiv(x.shape[0]!, batchGroups)!
  return { shape: [batch, weight.shape[0]!, ...spatial], dtype }
}

/**
 * Cross-correlation of an input [N, C, …spatial] with a weight [O, C / groups, …spatial]:
 *
 * out[n, o, p…] = Σ_{c, t…} input[n, c, p·stride + t·kernelDilation − low …] · weight[o, c, t…]
 *
 * where the input has inputDilation − 1 zeros between neighbours and zeros around (negative padding
 * crops). Output channels of group g see the input channels of group g only. With `batchGroups` they see
 * the examples of batch group g only, and the batch shrinks by that factor. After
 * [XLA's convolution](https://openxla.org/xla/operation_semantics#convwithgeneralpadding_convolution).
 */
export const convOp = define<ConvAttrs>({
  name: 'conv',
  attrs: {
    strides: 'ints',
    low: 'ints',
    high: 'ints',
    inputDilation: 'ints',
    kernelDilation: 'ints',
    groups: 'int',
    batchGroups: 'int',
  },
  infer: ([x, weight], attrs) => inferConv(x!, weight!, attrs),
  vjp: ({ inputs, attrs, grad, needs }) => [
    needs(0) ? inputGradient(inputs[0]!, inputs[1]!, attrs, grad) : null,
    needs(1) ? weightGradient(inputs[0]!, inputs[1]!, attrs, grad) : null,
  ],
  evaluate: ([x, weight], attrs, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const [batch, channels] = out.shape as readonly [number, number]
    const positions = sizeOf(out.shape.slice(2))
    const inner = innerProduct(x!.dtype)
    const [example, channel] = stridesOf(x!.shape) as [number, number]
    const kernel = sizeOf(weight!.shape.slice(1))
    for (let p = 0; p < positions; p++) {
      const { inInput, inWeight } = tapsAt(p, x!, weight!, out, attrs)
      for (let o = 0; o < channels; o++) {
        const group = Math.floor((o * attrs.groups) / channels)
        const batchGroup = Math.floor((o * attrs.batchGroups) / channels)
        const firstChannel = group * weight!.shape[1]! * channel
        for (let n = 0; n < batch; n++) {
          const at = (batchGroup * batch + n) * example + firstChannel
          const count = inInput.length
          const sum = inner(x!.data, at, inInput, weight!.data, o * kernel, inWeight, count)
          store(out.data, (n * channels + o) * positions + p, sum)
        }
      }
    }
    return [out]
  },
  samples: convSamples,
})

/** Offsets, in one example and one filter, of all pairs that meet in spatial position `p` of the result. */
function tapsAt(p: number, x: NDArray, weight: NDArray, out: NDArray, attrs: ConvAttrs) {
  const { strides, low, inputDilation, kernelDilation } = attrs
  const xStrides = stridesOf(x.shape)
  const wStrides = stridesOf(weight.shape)
  let pairs: (readonly [number, number])[] = []
  for (let c = 0; c < weight.shape[1]!; c++) pairs.push([c * xStrides[1]!, c * wStrides[1]!])
  const oStrides = stridesOf(out.shape)
  for (let i = 0; i < strides.length; i++) {
    const axis = i + 2
    const position = Math.floor(p / oStrides[axis]!) % out.shape[axis]!
    const along: (readonly [number, number])[] = []
    for (let t = 0; t < weight.shape[axis]!; t++) {
      const place = position * strides[i]! + t * kernelDilation[i]! - low[i]!
      const element = place / inputDilation[i]!
      if (Number.isInteger(element) && element >= 0 && element < x.shape[axis]!) {
        along.push([element * xStrides[axis]!, t * wStrides[axis]!])
      }
    }
    pairs = pairs.flatMap(([a, b]) => along.map(([c, d]) => [a + c, b + d] as const))
  }
  return {
    inInput: Int32Array.from(pairs, ([a]) => a),
    inWeight: Int32Array.from(pairs, ([, b]) => b),
  }
}

/** A convolution whose paddings (in place of those in `attrs`) may be open; then `pad` takes them over. */
function convWithPadding(
  x: Node,
  weight: Node,
  attrs: ConvAttrs,
  low: readonly Dim[],
  high: readonly Dim[],
): Node {
  if (low.every(isKnown) && high.every(isKnown)) return conv([x, weight], { ...attrs, low, high })
  const zero = full(0, [], x.dtype)
  const gaps = attrs.inputDilation.map((d) => d - 1)
  const padded = pad(x, zero, [0, 0, ...low], [0, 0, ...high], [0, 0, ...gaps])
  const none = low.map(() => 0)
  const inputDilation = low.map(() => 1)
  return conv([padded, weight], { ...attrs, inputDilation, low: none, high: none })
}

/** Axis 0 cut into `groups` axes of equal size: [groups, n / groups, …]. */
const splitFirst = (x: Node, groups: number): Node =>
  reshape(x, [groups, dimExactDiv(x.shape[0]!, groups)!, ...x.shape.slice(1)])

/** Axes 0 and 1 as one. */
const mergeFirst = (x: Node): Node =>
  reshape(x, [dimMul(x.shape[0]!, x.shape[1]!), ...x.shape.slice(2)])

/** The order of all axes with two of them exchanged. */
function swapped(x: Node, a: number, b: number): Node {
  const perm = x.shape.map((_, i) => (i === a ? b : i === b ? a : i))
  return transpose(x, perm)
}

const spatialAxes = (x: Node): number[] => x.shape.map((_, i) => i).slice(2)

/**
 * The gradient of the input: the result's gradient, spread by the strides, convolved with the reversed
 * weight whose input and output channels are exchanged (within each group).
 */
function inputGradient(x: Node, weight: Node, attrs: ConvAttrs, grad: Node): Node {
  if (sizeOf(x.shape) === 0 || sizeOf(grad.shape) === 0) return zerosLike(x)
  const { strides, low, inputDilation, kernelDilation, groups, batchGroups } = attrs
  const split = groups * batchGroups
  const exchanged =
    split === 1 ? swapped(weight, 0, 1) : mergeFirst(swapped(splitFirst(weight, split), 1, 2))
  const before: Dim[] = []
  const after: Dim[] = []
  for (let i = 0; i < strides.length; i++) {
    const extent = dilated(weight.shape[i + 2]!, kernelDilation[i]!)
    const room = dilated(x.shape[i + 2]!, inputDilation[i]!)
    const spread = dilated(grad.shape[i + 2]!, strides[i]!)
    const first = dimSub(dimSub(extent, low[i]!), 1)
    before.push(first)
    // What is left of room + extent − 1, the length a window of `extent` needs to give `room` results.
    after.push(dimSub(dimSub(dimSub(dimAdd(room, extent), 1), spread), first))
  }
  const spread = { ...attrs, strides: inputDilation, inputDilation: strides }
  const geometry = { ...spread, groups: split, batchGroups: 1 }
  const reversed = reverse(exchanged, spatialAxes(weight))
  const result = convWithPadding(grad, reversed, geometry, before, after)
  if (batchGroups === 1) return result
  // [N / B, B·C, …]: what came out as channel groups are the groups of the batch.
  const [n, , ...spatial] = result.shape
  const channels = x.shape[1]!
  const apart = reshape(result, [n!, batchGroups, channels, ...spatial])
  return mergeFirst(swapped(apart, 0, 1))
}

/**
 * The gradient of the weight: the input convolved with the result's gradient, where the batch plays the
 * part of the channels, and strides and kernel dilation change places. Groups of channels become groups
 * of the batch, and the other way round.
 */
function weightGradient(x: Node, weight: Node, attrs: ConvAttrs, grad: Node): Node {
  if (sizeOf(x.shape) === 0 || sizeOf(grad.shape) === 0) return zerosLike(weight)
  const { strides, low, inputDilation, kernelDilation, groups, batchGroups } = attrs
  const after = strides.map((stride, i) => {
    const extent = dilated(weight.shape[i + 2]!, kernelDilation[i]!)
    const room = dilated(x.shape[i + 2]!, inputDilation[i]!)
    const spread = dilated(grad.shape[i + 2]!, stride)
    // The gradient's windows are to fit as often as the weight has taps: cut off what no window reached.
    return dimSub(dimSub(dimAdd(dimSub(spread, room), extent), low[i]!), 1)
  })
  const exchanged = { strides: kernelDilation, kernelDilation: strides }
  const regrouped = { groups: batchGroups, batchGroups: groups }
  const geometry = { ...attrs, ...exchanged, ...regrouped }
  const result = convWithPadding(swapped(x, 0, 1), swapped(grad, 0, 1), geometry, low, after)
  return swapped(result, 0, 1)
}
