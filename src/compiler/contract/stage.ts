// Padding and dilation, dealt with before a convolution: the input is copied into an array with its
// zeros written out, so that windows are plain views of it. It costs one pass over the input, where
// the convolution makes features × window elements passes; and whatever is fused into reading the input is
// computed once an element instead of once a window that sees it.

import { affine, ofVar, plus, times } from '../kernel/affine.js'
import type { Affine } from '../kernel/ir.js'
import {
  KernelAssembly,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
  REGISTER_TYPE,
  type Reader,
} from '../lower/assembly.js'
import { flatten, nest, unflatten } from './axes.js'
import { type ConvSizes, type ConvSpec, dilated, product } from './spec.js'

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

/** A reader of the input with zeros written out, of which windows see all; `calls` gets what fills it. */
export function stage(
  spec: ConvSpec,
  sizes: ConvSizes,
  input: Reader,
  ctx: LoweringContext,
  calls: KernelCall[],
): Reader {
  const { low, inputDilation } = spec.attrs
  const seen = seenBy(spec, sizes)
  const [images, channels] = spec.input as [number, number]
  const shape = [images, channels, ...seen]
  const type = MEMORY_TYPE[spec.dtype]
  const planes = images * channels
  const plane = product(seen)
  const copy = ctx.temporary('padded', type, planes * plane)

  // Elements first … last - 1 of the input are seen; element x lies at x · dilation + low.
  const first = seen.map((_, i) => Math.max(0, Math.ceil(-low[i]! / inputDilation[i]!)))
  const count = seen.map((n, i) => {
    const last = Math.min(sizes.input[i]!, Math.floor((n - 1 - low[i]!) / inputDilation[i]!) + 1)
    return Math.max(0, last - first[i]!)
  })
  const perChunk = Math.max(1, Math.min(planes, Math.floor(CHUNK_ELEMENTS / plane)))
  const k = new KernelAssembly(`pad [${spec.input}] to [${shape}]`, Math.ceil(planes / perChunk))
  k.bytes = 4 * (product(spec.input) + planes * plane)
  const to = k.use(copy, 'write')
  const lanes = ctx.target.mapLanes
  const onePlane = (at: Affine): void => {
    const base = times(at, plane)
    if (product(count) !== plane) {
      k.vector('zero', plane, lanes, (i) => {
        k.store(to, plus(base, i), k.const(REGISTER_TYPE[spec.dtype], 0))
      })
    }
    if (product(count) === 0) return
    const lead = unflatten(k, at, [images, channels])
    nest(k, 'row', count.slice(0, -1), (outer) => {
      k.vector('x', count.at(-1) ?? 1, lanes, (last) => {
        const from = (count.length > 0 ? [...outer, last] : []).map((x, i) => plus(x, first[i]!))
        const place = from.map((x, i) => plus(times(x, inputDilation[i]!), low[i]!))
        k.store(to, plus(base, flatten(place, seen)), input.read(k, [...lead, ...from]))
      })
    })
  }
  const begin = times(ofVar(k.chunk), perChunk)
  const end = { min: [plus(begin, perChunk), affine(planes)] as const }
  k.loop('plane', end, onePlane, { from: begin })
  calls.push(k.call())

  return {
    shape,
    dtype: spec.dtype,
    direct: null,
    read: (kernel, coords) => kernel.load(kernel.use(copy, 'read'), flatten(coords, shape)),
  }
}
