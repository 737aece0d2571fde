// What is asked of a contraction: the shapes and attributes of a `dot` or a `conv`, and the sizes that
// follow from them.

import type { DType } from '../../base/dtype.js'
import type { ConvAttrs, DotAttrs } from '../../ir/build.js'

export interface DotSpec {
  readonly attrs: DotAttrs
  readonly left: readonly number[]
  readonly right: readonly number[]
  readonly dtype: DType
}

export interface ConvSpec {
  readonly attrs: ConvAttrs
  /** [batch, channels, …spatial] */
  readonly input: readonly number[]
  /** [out, channels / groups, …spatial] */
  readonly kernel: readonly number[]
  readonly dtype: DType
}

/** Axes of a dot by what they do: each names positions in the operand's shape. */
export interface DotAxes {
  readonly leftFree: readonly number[]
  readonly rightFree: readonly number[]
  /** Sizes, in the order the result (or the sum) has them. */
  readonly batch: readonly number[]
  readonly rows: readonly number[]
  readonly columns: readonly number[]
  readonly contract: readonly number[]
}

export function dotAxes({ attrs, left, right }: DotSpec): DotAxes {
  const free = (shape: readonly number[], batch: readonly number[], contract: readonly number[]) =>
    shape.map((_, i) => i).filter((i) => !batch.includes(i) && !contract.includes(i))
  const leftFree = free(left, attrs.leftBatch, attrs.leftContract)
  const rightFree = free(right, attrs.rightBatch, attrs.rightContract)
  return {
    leftFree,
    rightFree,
    batch: attrs.leftBatch.map((i) => left[i]!),
    rows: leftFree.map((i) => left[i]!),
    columns: rightFree.map((i) => right[i]!),
    contract: attrs.leftContract.map((i) => left[i]!),
  }
}

/** Sizes of a convolution by what they do. One group stands for `groups` and `batchGroups` alike. */
export interface ConvSizes {
  /** How many independent convolutions share the arrays: at most one kind of group is used. */
  readonly groups: number
  readonly batch: number
  /** Channels summed over, and channels made, in one group. */
  readonly channels: number
  readonly features: number
  readonly input: readonly number[]
  readonly kernel: readonly number[]
  readonly output: readonly number[]
}

export function convSizes({ attrs, input, kernel }: ConvSpec): ConvSizes {
  const groups = attrs.groups * attrs.batchGroups
  const spatialIn = input.slice(2)
  const spatialKernel = kernel.slice(2)
  const output = spatialIn.map((size, i) => {
    const padded = dilated(size, attrs.inputDilation[i]!) + attrs.low[i]! + attrs.high[i]!
    const reach = dilated(spatialKernel[i]!, attrs.kernelDilation[i]!)
    return Math.max(0, Math.floor((padded - reach) / attrs.strides[i]!) + 1)
  })
  return {
    groups,
    batch: input[0]! / attrs.batchGroups,
    channels: kernel[1]!,
    features: kernel[0]! / groups,
    input: spatialIn,
    kernel: spatialKernel,
    output,
  }
}

/** Extent of `size` elements with dilation - 1 holes between neighbours. */
export const dilated = (size: number, dilation: number): number =>
  size === 0 ? 0 : (size - 1) * dilation + 1
