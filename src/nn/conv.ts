// Convolutional layers.

import type { DType } from '../base/dtype.js'
import { ValueError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import { type ConvOptions, conv1d, conv2d, conv3d } from '../tensor/convolve.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Parameter } from '../tensor/variable.js'
import type { ConvPadding, PerAxis } from '../tensor/windows.js'
import { Module } from './module.js'
import { checkSizes, sizesPerAxis, uniformParameter } from './parameters.js'
import { optionsRepr } from './repr.js'

export interface ConvLayerOptions extends Omit<ConvOptions, 'bias'> {
  /** Whether a bias is added. Default true. */
  readonly bias?: boolean
  /** Dtype of the parameters. Default float32. */
  readonly dtype?: DType
}

type Convolve = typeof conv2d

/** What convolutions of one, two and three spatial axes have in common. */
abstract class Conv extends Module {
  readonly weight: Parameter
  readonly bias: Parameter | null
  readonly kernelSize: readonly number[]
  readonly stride: readonly number[]
  readonly padding: ConvPadding
  readonly dilation: readonly number[]
  readonly groups: number
  protected abstract readonly convolve: Convolve

  constructor(
    rank: number,
    readonly inChannels: number,
    readonly outChannels: number,
    kernelSize: PerAxis,
    options: ConvLayerOptions,
  ) {
    super()
    const where = `Conv${rank}d`
    const { bias = true, dtype = 'float32', groups = 1, padding = 0 } = options
    checkSizes(where, { inChannels, outChannels, groups })
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ValueError(
        where,
        `channels that divide into ${groups} groups`,
        `${inChannels} in and ${outChannels} out`,
      )
    }
    this.kernelSize = sizesPerAxis(where, 'kernelSize', kernelSize, rank)
    this.stride = sizesPerAxis(where, 'stride', options.stride ?? 1, rank)
    this.dilation = sizesPerAxis(where, 'dilation', options.dilation ?? 1, rank)
    this.groups = groups
    this.padding = typeof padding === 'number' ? new Array<number>(rank).fill(padding) : padding
    const shape = [outChannels, inChannels / groups, ...this.kernelSize]
    const bound = 1 / Math.sqrt(shape.slice(1).reduce((product, n) => product * n, 1))
    this.weight = uniformParameter(shape, bound, dtype)
    this.bias = bias ? uniformParameter([outChannels], bound, dtype) : null
  }

  forward(x: Tensor): Tensor {
    const { bias, stride, padding, dilation, groups } = this
    return this.convolve(x, this.weight, { bias, stride, padding, dilation, groups })
  }

  override extraRepr(): string {
    const { padding, dilation, groups } = this
    const parts = [
      `${this.inChannels}, ${this.outChannels}`,
      `kernelSize=${formatShape(this.kernelSize)}`,
      `stride=${formatShape(this.stride)}`,
    ]
    const unpadded = Array.isArray(padding) && padding.every((p) => p === 0)
    if (!unpadded) parts.push(optionsRepr({ padding }))
    if (dilation.some((d) => d !== 1)) parts.push(`dilation=${formatShape(dilation)}`)
    if (groups !== 1) parts.push(`groups=${groups}`)
    if (this.bias === null) parts.push('bias=false')
    return parts.join(', ')
  }
}

/**
 * Convolution over [batch, inChannels, length]. Mirrors `torch.nn.Conv1d`; see `Conv2d`.
 */
export class Conv1d extends Conv {
  protected readonly convolve = conv1d

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: PerAxis,
    options: ConvLayerOptions = {},
  ) {
    super(1, inChannels, outChannels, kernelSize, options)
  }
}

/**
 * Convolution over [batch, inChannels, height, width], as `F.conv2d`. Mirrors `torch.nn.Conv2d`: weight
 * [outChannels, inChannels / groups, …kernelSize] and bias [outChannels] start as U(-1/√n, 1/√n), with n
 * the number of inputs of one output.
 */
export class Conv2d extends Conv {
  protected readonly convolve = conv2d

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: PerAxis,
    options: ConvLayerOptions = {},
  ) {
    super(2, inChannels, outChannels, kernelSize, options)
  }
}

/** Convolution over [batch, inChannels, depth, height, width]. Mirrors `torch.nn.Conv3d`; see `Conv2d`. */
export class Conv3d extends Conv {
  protected readonly convolve = conv3d

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: PerAxis,
    options: ConvLayerOptions = {},
  ) {
    super(3, inChannels, outChannels, kernelSize, options)
  }
}
