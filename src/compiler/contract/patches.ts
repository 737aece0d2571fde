// A convolution in the abstract, after padding and dilation have been dealt with: windows of an array,
// multiplied with kernels. It is a matrix product (features × window elements by window elements ×
// positions) whose second factor, the matrix of all patches, exists only as a way of reading the input.

import type { DType } from '../../base/dtype.js'
import { sizeOf } from '../../base/shape.js'
import { affine, plus, times } from '../kernel/affine.js'
import type {
  KernelAssembly,
  KernelCall,
  LoweringContext,
  Reader,
  Writer,
} from '../kernel/assembly.js'
import type { Affine, BufferDecl, Reg } from '../kernel/ir.js'
import type { Product } from './factors.js'
import type { Numerics } from './numerics.js'
import type { ConvSizes, ConvSpec } from './spec.js'
import type { Stage } from './stage.js'

/** Which images are staged, and which channels of a group: all, unless it says. */
export interface Staged {
  readonly image: Affine
  readonly images: number
  readonly channel?: Affine
  readonly channels?: number
}

/** Ways of staging the input: all of it, or some images of a group in a kernel's scratch memory. */
export interface Staging {
  /** Elements of one image. */
  readonly elements: number
  ahead(ctx: LoweringContext, calls: KernelCall[]): void
  enter(k: KernelAssembly, to: BufferDecl, lanes: number, group: Affine, from: Staged): void
}

export interface Patches {
  readonly name: string
  readonly dtype: DType
  readonly groups: number
  readonly images: number
  readonly features: number
  /** Positions of the window: the output's spatial sizes. */
  readonly output: readonly number[]
  /** Elements of the input between neighbours of a line. */
  readonly step: number
  /** Channels, then the kernel's spatial sizes. */
  readonly contract: readonly number[]
  readonly numerics: Numerics
  /** Set where the input has to be staged before it can be read. */
  readonly staging: Staging | null
  kernel(k: KernelAssembly, group: Affine, feature: Affine, at: Affine[]): Reg
  input(k: KernelAssembly, group: Affine, image: Affine, position: Affine[], at: Affine[]): Reg
  write(
    k: KernelAssembly,
    group: Affine,
    image: Affine,
    feature: Affine,
    position: Affine[],
    value: Reg,
  ): void
}

/**
 * The patches of a convolution whose windows never leave `input`: element `at` of the window at
 * `position` is at position · stride + at · dilation + origin, axis by axis.
 */
export function patchesOf(
  spec: ConvSpec,
  sizes: ConvSizes,
  numerics: Numerics,
  input: Reader['read'],
  kernel: Reader,
  out: Writer,
  origin: readonly number[],
  stage: Stage | null,
): Patches {
  const { attrs } = spec
  const imageOf = (group: Affine, image: Affine): Affine =>
    attrs.batchGroups > 1 ? plus(times(group, sizes.batch), image) : image
  const channelOf = (group: Affine, channel: Affine): Affine =>
    attrs.groups > 1 ? plus(times(group, sizes.channels), channel) : channel
  const feature = (group: Affine, f: Affine): Affine => plus(times(group, sizes.features), f)
  return {
    name: `conv [${spec.input}]*[${spec.kernel}]`,
    dtype: spec.dtype,
    groups: sizes.groups,
    images: sizes.batch,
    features: sizes.features,
    output: sizes.output,
    step: attrs.strides.at(-1) ?? 1,
    contract: [sizes.channels, ...sizes.kernel],
    numerics,
    staging: stage && {
      elements: sizes.channels * stage.plane,
      ahead: (ctx, calls) => stage.ahead(ctx, calls),
      enter: (k, to, lanes, group, { image, images, channel, channels }) =>
        stage.enter(
          k,
          to,
          lanes,
          { image: imageOf(group, image), images },
          {
            channel: channelOf(group, channel ?? affine(0)),
            channels: channels ?? sizes.channels,
          },
        ),
    },
    kernel: (k, group, f, [channel, ...tap]) =>
      kernel.read(k, [feature(group, f), channel!, ...tap]),
    input: (k, group, image, position, [channel, ...tap]) =>
      input(k, [
        imageOf(group, image),
        channelOf(group, channel!),
        ...position.map((p, i) =>
          plus(
            plus(times(p, attrs.strides[i]!), times(tap[i]!, attrs.kernelDilation[i]!)),
            origin[i]!,
          ),
        ),
      ]),
    write: (k, group, image, f, position, value) =>
      out.write(k, [image, feature(group, f), ...position], value),
  }
}

/** As a product in which images are lanes, with the positions. */
export const asProduct = (c: Patches): Product => ({
  name: c.name,
  dtype: c.dtype,
  batch: [c.groups],
  contract: c.contract,
  numerics: c.numerics,
  left: { free: [c.features], read: (k, [g], [f], at) => c.kernel(k, g!, f!, at) },
  right: {
    free: [c.images, ...c.output],
    read: (k, [g], [image, ...position], at) => c.input(k, g!, image!, position, at),
  },
  write: (k, [g], [f], [image, ...position], value) => c.write(k, g!, image!, f!, position, value),
})

/** As a product for every image, for images of many positions. */
export const asProductPerImage = (c: Patches): Product => ({
  name: c.name,
  dtype: c.dtype,
  batch: [c.groups, c.images],
  contract: c.contract,
  numerics: c.numerics,
  left: { free: [c.features], read: (k, [g], [f], at) => c.kernel(k, g!, f!, at) },
  right: {
    free: c.output,
    read: (k, [g, image], position, at) => c.input(k, g!, image!, position, at),
  },
  write: (k, [g, image], [f], position, value) => c.write(k, g!, image!, f!, position, value),
})

export const positionsOf = (c: Patches): number => sizeOf(c.output)
