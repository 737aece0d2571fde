// Sample calls of conv: every attribute, alone and together, for one to three spatial axes.

import type { ConvAttrs } from '../build.js'
import type { Sample } from '../op.js'

/** Attributes of a convolution of `rank` spatial axes: plain but for what is special about it. */
export const convAttrs = (rank: number, special: Partial<ConvAttrs> = {}): ConvAttrs => {
  const each = (n: number): number[] => new Array<number>(rank).fill(n)
  return {
    strides: each(1),
    low: each(0),
    high: each(0),
    inputDilation: each(1),
    kernelDilation: each(1),
    groups: 1,
    batchGroups: 1,
    ...special,
  }
}

type Row = readonly [
  note: string,
  input: readonly number[],
  weight: readonly number[],
  special?: Partial<ConvAttrs>,
]

const ROWS: readonly Row[] = [
  ['1-D', [2, 3, 7], [4, 3, 3]],
  ['1-D, stride, dilation', [1, 2, 11], [3, 2, 3], { strides: [2], kernelDilation: [2], low: [1] }],
  ['2-D', [2, 3, 5, 5], [4, 3, 3, 3]],
  ['2-D, 1×1', [2, 3, 4, 5], [5, 3, 1, 1]],
  ['2-D, padding', [1, 2, 4, 5], [3, 2, 3, 3], { low: [1, 1], high: [1, 1] }],
  ['2-D, uneven', [1, 2, 5, 6], [2, 2, 2, 3], { strides: [2, 3], low: [1, 0], high: [0, 2] }],
  ['2-D, stride leaves a rest', [2, 1, 6, 8], [2, 1, 3, 3], { strides: [2, 3] }],
  ['2-D, negative padding', [1, 2, 6, 5], [2, 2, 2, 2], { low: [-1, 0], high: [-2, -1] }],
  ['2-D, kernel dilation', [1, 2, 7, 7], [2, 2, 3, 2], { kernelDilation: [2, 3], low: [1, 1] }],
  ['2-D, groups', [2, 4, 4, 4], [6, 2, 3, 3], { groups: 2, low: [1, 1], high: [1, 1] }],
  ['2-D, groups, stride', [1, 6, 5, 5], [3, 2, 2, 2], { groups: 3, strides: [2, 2] }],
  ['depthwise', [2, 3, 5, 4], [3, 1, 3, 3], { groups: 3, low: [1, 1], high: [1, 1] }],
  ['depthwise, two each', [1, 3, 4, 4], [6, 1, 2, 2], { groups: 3 }],
  ['batch groups', [4, 3, 4, 4], [6, 3, 2, 2], { batchGroups: 2, strides: [2, 1], low: [1, 0] }],
  ['transposed', [1, 3, 3, 3], [2, 3, 3, 3], { inputDilation: [2, 2], low: [1, 1], high: [2, 2] }],
  [
    'transposed, groups, dilation',
    [2, 4, 3, 2],
    [2, 2, 2, 2],
    { inputDilation: [2, 3], kernelDilation: [2, 1], groups: 2, low: [2, 1], high: [1, 2] },
  ],
  [
    'everything',
    [1, 2, 5, 4],
    [3, 2, 2, 3],
    { strides: [2, 3], inputDilation: [2, 3], kernelDilation: [3, 2], low: [2, -1], high: [1, 3] },
  ],
  ['3-D', [1, 2, 3, 4, 3], [2, 2, 2, 2, 2], { strides: [1, 2, 1], low: [1, 0, 0] }],
  ['no spatial axis', [3, 4], [5, 4]],
  ['size 1', [1, 1, 1], [1, 1, 1]],
  ['kernel as large as the input', [2, 2, 3, 5], [3, 2, 3, 5]],
  ['window in the padding only', [1, 1, 2], [1, 1, 2], { low: [3], high: [2] }],
  ['empty batch', [0, 2, 4, 4], [3, 2, 3, 3]],
  ['no channels', [2, 0, 4], [3, 0, 3]],
  ['no filters', [2, 2, 4], [0, 2, 3]],
  ['empty input, padded', [1, 2, 0], [3, 2, 2], { low: [1], high: [2] }],
]

export const convSamples = (): readonly Sample<ConvAttrs>[] => [
  ...ROWS.map(([note, input, weight, special]) => ({
    inputs: [{ shape: input }, { shape: weight }],
    attrs: convAttrs(input.length - 2, special),
    note,
  })),
  {
    inputs: [
      { shape: [1, 2, 4, 4], dtype: 'float64' },
      { shape: [2, 2, 3, 3], dtype: 'float64' },
    ],
    attrs: convAttrs(2),
  },
  {
    inputs: [
      { shape: [1, 2, 5], dtype: 'int32' },
      { shape: [2, 2, 3], dtype: 'int32' },
    ],
    attrs: convAttrs(1),
  },
]
