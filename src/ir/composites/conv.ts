// The convolution of a layer: with a bias for each output channel.

import type { ConvAttrs } from '../build.js'
import * as b from '../build.js'
import { apply, type Node } from '../node.js'
import { define } from '../op.js'
import { checkSameDType, checkSameShape } from '../primitives/check.js'
import { convOp } from '../primitives/conv.js'
import { convAttrs } from '../primitives/convsamples.js'

const convBiasOp = define<ConvAttrs>({
  name: 'convBias',
  attrs: convOp.attrs,
  infer: ([x, weight, bias], attrs) => {
    const type = convOp.infer([x!, weight!], attrs) as {
      shape: Node['shape']
      dtype: Node['dtype']
    }
    checkSameDType('convBias', 'a bias', x!, bias!)
    checkSameShape('convBias', 'a bias', [weight!.shape[0]!], bias!.shape)
    return type
  },
  expand: ([x, weight, bias], attrs) => {
    const y = b.conv([x!, weight!], attrs)
    const others = y.shape.map((_, i) => i).filter((i) => i !== 1)
    return b.add(y, b.unreduce(bias!, others, y.shape))
  },
  samples: () => [
    {
      inputs: [{ shape: [2, 3, 5, 5] }, { shape: [4, 3, 3, 3] }, { shape: [4] }],
      attrs: convAttrs(2),
    },
    {
      inputs: [{ shape: [1, 4, 6, 5] }, { shape: [6, 2, 3, 3] }, { shape: [6] }],
      attrs: convAttrs(2, { strides: [2, 1], low: [1, 1], high: [1, 1], groups: 2 }),
      note: 'groups, stride, padding',
    },
    {
      inputs: [{ shape: [1, 2, 3, 3] }, { shape: [3, 2, 3, 3] }, { shape: [3] }],
      attrs: convAttrs(2, { inputDilation: [2, 2], low: [1, 1], high: [2, 2] }),
      note: 'transposed',
    },
    {
      inputs: [{ shape: [0, 2, 4, 4] }, { shape: [3, 2, 3, 3] }, { shape: [3] }],
      attrs: convAttrs(2),
      note: 'empty batch',
    },
  ],
})

/**
 * conv(x, weight) + bias, for x [N, C, …spatial], weight [O, C / groups, …spatial] and bias [O]; without
 * a bias it is the convolution alone. What `nn.Conv1d`, `Conv2d` and `Conv3d` compute.
 */
export const convBias = (x: Node, weight: Node, bias: Node | null, attrs: ConvAttrs): Node =>
  bias === null ? b.conv([x, weight], attrs) : apply(convBiasOp, [x, weight, bias], attrs)
