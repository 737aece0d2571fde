// Padding and dilation, dealt with before a convolution: the input is copied into an array with its
// zeros written out, so that windows are plain views of it. It costs one pass over the input, where
// the convolution makes features × window elements passes; and whatever is fused into reading the input is
// computed once an element instead of once a window that sees it. The copy is made image by image in
// memory that caches hold, where a chunk of the convolution has whole images to itself; else ahead of it.

import { sizeOf } from '../../base/shape.js'
import { affine, ofVar, plus, times } from '../kernel/affine.js'
import {
  KernelAssembly,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
  REGISTER_TYPE,
  type Reader,
} from '../kernel/assembly.js'
import type { Affine, BufferDecl, Reg } from '../kernel/ir.js'
import { flatten, nest, unflatten } from './axes.js'
import { type ConvSizes, type ConvSpec, dilated } from './spec.js'

/** Elements a chunk of copying makes. */
const CHUNK_ELEMENTS = 1 << 14

/** How much of each spatial axis, with its padding, the windows see. */
const seenBy = ({ attrs }: ConvSpec, { kernel, output }: ConvSizes): number[] =>
  output.map((n, i) => (n - 1) * attrs.strides[i]! + dilated(kernel[i]!, attrs.kernelDilation[i]!))

/** Whether all windows lie inside the input as it is. */
export function needsNoStage(spec: ConvSpec, sizes: ConvSizes): boolean {
  const { low, inputDilation } = spec.attrs
  return seenBy(spec, sizes).every(
    (n, i) => inputDilation[i] === 1 && low[i]! <= 0 && n - low[i]! <= sizes.input[i]!,
  )
}

/** Where a staged array is: some of the input's images and channels, [image][channel][plane]. */
interface Window {
  buffer(k: KernelAssembly): BufferDecl
  readonly image: Affine
  readonly channel: Affine
  readonly channels: number
}

/** The input with its zeros written out, of which windows see all. */
export class Stage {
  /** Sizes of a staged plane, and its elements. */
  private readonly seen: readonly number[]
  readonly plane: number
  /** Elements first … first + count - 1 of the input are seen; element x lies at x · dilation + low. */
  private readonly first: readonly number[]
  private readonly count: readonly number[]
  private window: Window | null = null

  constructor(
    private readonly spec: ConvSpec,
    sizes: ConvSizes,
    private readonly input: Reader,
  ) {
    const { low, inputDilation } = spec.attrs
    this.seen = seenBy(spec, sizes)
    this.plane = sizeOf(this.seen)
    this.first = low.map((l, i) => Math.max(0, Math.ceil(-l / inputDilation[i]!)))
    this.count = this.seen.map((n, i) => {
      const last = Math.min(sizes.input[i]!, Math.floor((n - 1 - low[i]!) / inputDilation[i]!) + 1)
      return Math.max(0, last - this.first[i]!)
    })
  }

  /** Reads what was staged last; coordinates are those of the whole input, with its zeros. */
  readonly read = (k: KernelAssembly, [image, channel, ...place]: readonly Affine[]): Reg => {
    const w = this.window
    if (w === null) throw new Error('a window was read before it was staged')
    const line = plus(times(minus(image!, w.image), w.channels), minus(channel!, w.channel))
    return k.load(w.buffer(k), plus(times(line, this.plane), flatten(place, this.seen)))
  }

  /** Stages some images and channels in a kernel's own memory, which caches hold. */
  enter(
    k: KernelAssembly,
    to: BufferDecl,
    lanes: number,
    from: { readonly image: Affine; readonly images: number },
    { channel, channels }: { readonly channel: Affine; readonly channels: number },
  ): void {
    this.window = { buffer: () => to, image: from.image, channel, channels }
    nest(k, 'plane', [from.images, channels], ([i, c]) => {
      const base = times(plus(times(i!, channels), c!), this.plane)
      this.copy(k, to, lanes, base, [plus(from.image, i!), plus(channel, c!)])
    })
  }

  /** Stages all of the input in memory, by a kernel of its own. */
  ahead(ctx: LoweringContext, calls: KernelCall[]): void {
    const { spec, plane } = this
    const [images, channels] = spec.input as [number, number]
    const planes = images * channels
    const ref = ctx.temporary('padded', MEMORY_TYPE[spec.dtype], planes * plane)
    const perChunk = Math.max(1, Math.min(planes, Math.floor(CHUNK_ELEMENTS / plane)))
    const k = new KernelAssembly(`pad [${spec.input}]`, Math.ceil(planes / perChunk))
    k.bytes = 4 * (sizeOf(spec.input) + planes * plane)
    const to = k.use(ref, 'write')
    const begin = times(ofVar(k.chunk), perChunk)
    const end = { min: [plus(begin, perChunk), affine(planes)] as const }
    const one = (at: Affine): void => {
      const lead = unflatten(k, at, [images, channels])
      this.copy(k, to, ctx.target.mapLanes, times(at, plane), lead)
    }
    k.loop('plane', end, one, { from: begin })
    calls.push(k.call())
    this.window = {
      buffer: (kernel) => kernel.use(ref, 'read'),
      image: affine(0),
      channel: affine(0),
      channels,
    }
  }

  /** Copies one plane, zeros included. */
  private copy(
    k: KernelAssembly,
    to: BufferDecl,
    lanes: number,
    base: Affine,
    lead: readonly Affine[],
  ): void {
    const { first, count, seen, plane } = this
    const { low, inputDilation } = this.spec.attrs
    if (sizeOf(count) !== plane) {
      k.vector('zero', plane, lanes, (i) => {
        k.store(to, plus(base, i), k.const(REGISTER_TYPE[this.spec.dtype], 0))
      })
    }
    if (sizeOf(count) === 0) return
    nest(k, 'row', count.slice(0, -1), (outer) => {
      k.vector('x', count.at(-1) ?? 1, lanes, (last) => {
        const from = (count.length > 0 ? [...outer, last] : []).map((x, i) => plus(x, first[i]!))
        const place = from.map((x, i) => plus(times(x, inputDilation[i]!), low[i]!))
        k.store(to, plus(base, flatten(place, seen)), this.input.read(k, [...lead, ...from]))
      })
    })
  }
}

const minus = (a: Affine, b: Affine): Affine => plus(a, times(b, -1))
