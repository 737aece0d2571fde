// What a session is given: values that take the place of tensors in one run.

import { Storage } from '../backends/storage.js'
import { type Dim, type DimEnv, dimSettled, dimSubstitute, type SymDim } from '../base/dim.js'
import { DTYPES, isFloat, promote, type TypedArray } from '../base/dtype.js'
import { FeedError, TesseraError } from '../base/errors.js'
import { formatShape, type Shape, type StaticShape, sizeOf } from '../base/shape.js'
import { formatSite } from '../ir/node.js'
import { type Binding, type LeafValue, resolve } from '../runtime/value.js'
import type { Contents, TensorLike } from '../tensor/create.js'
import { type NumericArray, readContents } from '../tensor/literals.js'
import { Tensor } from '../tensor/tensor.js'
import type { Graph } from './graph.js'
import { GraphTensor, showShape } from './tensor.js'

/** Which tensor a value is for: the tensor, or its name (`x` or `x:0`). */
export type FeedKey = Tensor | string

/** Values for tensors: pairs, a `Map`, or an object by names. */
export type Feeds =
  | readonly (readonly [FeedKey, TensorLike])[]
  | ReadonlyMap<FeedKey, TensorLike>
  | { readonly [name: string]: TensorLike }

/** A value that was checked and converted. */
export interface Feed {
  readonly tensor: GraphTensor
  readonly value: Binding
  readonly shape: StaticShape
}

const describe = (x: GraphTensor): string => `'${x.name}' (${x.dtype} ${showShape(x.shape)})`

function keyed(graph: Graph, key: FeedKey): GraphTensor {
  if (typeof key === 'string') return graph.getTensorByName(key.includes(':') ? key : `${key}:0`)
  return graph.ownTensor(key)
}

/** The feeds in a fixed order, so that equal feeds find the same plan. */
export function feedList(graph: Graph, feeds: Feeds | undefined): Feed[] {
  if (feeds === undefined) return []
  const pairs = (
    Array.isArray(feeds) ? feeds : feeds instanceof Map ? [...feeds] : Object.entries(feeds)
  ) as readonly (readonly [FeedKey, TensorLike])[]
  const list = pairs.map(([key, value]) => converted(keyed(graph, key), value))
  list.sort((a, b) => a.tensor.node.id - b.tensor.node.id)
  for (let i = 1; i < list.length; i++) {
    const { tensor } = list[i] as Feed
    if (tensor !== list[i - 1]?.tensor) continue
    throw new FeedError('run', `one value for ${describe(tensor)}`, 'two')
  }
  return list
}

function converted(tensor: GraphTensor, value: TensorLike): Feed {
  if (value instanceof Tensor) return fromTensor(tensor, value)
  if (typeof value === 'number' && tensor.ndim === 0 && isFloat(tensor.dtype)) {
    return { tensor, value, shape: [] }
  }
  const own = DTYPES[tensor.dtype].array
  if (value instanceof own && tensor.dtype !== 'bool') {
    // Not copied: the run is over before anybody can change it.
    return { tensor, value: Storage.of(tensor.dtype, value), shape: flatShape(tensor, value) }
  }
  try {
    const { values, shape } = readContents('run', value as Contents, tensor.dtype)
    const isFlat = ArrayBuffer.isView(value)
    return {
      tensor,
      value: Storage.of(tensor.dtype, values),
      shape: isFlat ? flatShape(tensor, value as NumericArray as TypedArray) : shape,
    }
  } catch (error) {
    if (!(error instanceof TesseraError) || error instanceof FeedError) throw error
    throw new FeedError('run', `a value for ${describe(tensor)}`, error.received, error.data)
  }
}

function fromTensor(tensor: GraphTensor, value: Tensor): Feed {
  if (value instanceof GraphTensor) {
    const received = `the graph tensor '${value.name}', which has no value`
    throw new FeedError('run', `a value for ${describe(tensor)}`, received)
  }
  if (promote(value.dtype, tensor.dtype) !== tensor.dtype) {
    const received = `a ${value.dtype} tensor (cast it)`
    throw new FeedError('run', `a ${tensor.dtype} value for ${describe(tensor)}`, received)
  }
  const { node, shape } = value.cast(tensor.dtype).realize()
  return { tensor, value: resolve(node.value as LeafValue), shape: shape as StaticShape }
}

/** The shape of values without one: what the tensor says, where at most one size is open. */
function flatShape(tensor: GraphTensor, { length }: TypedArray): StaticShape {
  const { shape } = tensor
  if (shape.length === 1) return [length]
  const known = shape.filter((d) => typeof d === 'number')
  const rest = length / sizeOf(known)
  const filled = shape.map((d) => (typeof d === 'number' ? d : rest))
  const fits = known.length === shape.length ? rest === 1 : known.length === shape.length - 1
  if (fits && Number.isInteger(rest)) return filled
  throw new FeedError('run', `values for ${describe(tensor)}`, `${length} of them, without a shape`)
}

/** The one symbol of a size that is a multiple of it, and the factor. */
function singleSymbol(d: SymDim): { readonly name: string; readonly factor: number } | null {
  const term = d.terms[0]
  const atom = term?.atoms[0]
  if (d.terms.length !== 1 || term?.atoms.length !== 1 || atom?.kind !== 'symbol') return null
  return { name: atom.name, factor: term.coefficient }
}

/**
 * The sizes that fed shapes give to symbols. Throws `FeedError` for a shape that does not fit its
 * tensor's.
 */
export function feedSizes(feeds: readonly Feed[]): DimEnv {
  const env = new Map<string, number>()
  for (const { tensor, shape } of feeds) {
    const misfit = (): never => {
      throw new FeedError(
        'run',
        `a value of shape ${showShape(tensor.shape)} for tensor '${tensor.name}'`,
        `one of shape ${formatShape(shape)}`,
        { tensor: tensor.name, expected: tensor.shape, received: shape },
      )
    }
    if (shape.length !== tensor.ndim) misfit()
    tensor.shape.forEach((declared, axis) => {
      if (!bind(declared, shape[axis] as number, env)) misfit()
    })
  }
  // What an open size was taken to be equal to may need a size and have no feed of its own.
  for (const { tensor, shape } of feeds) {
    for (const [axis, declared] of tensor.shape.entries()) {
      bind(dimSettled(declared), shape[axis] as number, env)
    }
  }
  return env
}

/** Makes a declared size equal to a fed one. False where it cannot be. */
function bind(declared: Dim, size: number, env: Map<string, number>): boolean {
  if (typeof declared === 'number') return declared === size
  const own = singleSymbol(declared)
  if (own !== null && !env.has(own.name)) {
    if (size % own.factor !== 0) return false
    env.set(own.name, size / own.factor)
    return true
  }
  const known = dimSubstitute(declared, env)
  return typeof known !== 'number' || known === size
}

/** The error for a tensor that would have to be fed. */
export function missingFeed(placeholder: GraphTensor): FeedError {
  const { node, dtype, shape, op } = placeholder
  const site = formatSite(node.site)
  const made = site === null ? '' : `, made at ${site}`
  return new FeedError(
    'run',
    `a value fed for placeholder '${op.name}' (${dtype} ${showShape(shape)}${made})`,
    'no feed for it',
    { placeholder: op.name, dtype, shape: shape as Shape },
  )
}
