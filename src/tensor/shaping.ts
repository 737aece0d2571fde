// The same values in another shape or order: reshape, transpose, broadcast, flip, pad, split.

import { type Dim, dimAdd, dimMul, dimSub, isKnown } from '../base/dim.js'
import { IndexError, ShapeError, ValueError } from '../base/errors.js'
import {
  broadcastShapes,
  formatShape,
  normalizeAxes,
  normalizeAxis,
  resolveReshape,
  type Shape,
  shapeEqual,
  sizeOf,
} from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { ActivationTensor } from './activations.js'
import { type Axes, type AxisArg, oneAxis } from './axes.js'
import { expose } from './core.js'
import { scalarNode } from './operand.js'
import { cut, type PadMode, padNode } from './pad.js'
import type { Tensor } from './tensor.js'

/** Values before and after an axis. */
export type Padding = readonly [before: number, after: number]

export interface PadOptions {
  /** Default `constant`. */
  readonly mode?: PadMode | undefined
  /** What `constant` puts around. Default 0. */
  readonly value?: number | undefined
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

/** See `Tensor`. */
export abstract class ShapingTensor extends ActivationTensor {
  /**
   * The values, row-major, in another shape with as many elements; one size may be -1. Mirrors
   * `torch.reshape`.
   */
  reshape(shape: Shape): Tensor {
    return expose(b.reshape(this.node, resolveReshape('reshape', this.shape, shape)))
  }

  /** Another name for `reshape`: values never change, so there is no difference. Mirrors `torch.Tensor.view`. */
  view(shape: Shape): Tensor {
    return this.reshape(shape)
  }

  /** Axes `start` to `end` (default: all, both included) as one. Mirrors `torch.flatten`. */
  flatten(start = 0, end = -1): Tensor {
    const { shape, ndim } = this
    if (ndim === 0) return this.reshape([1])
    const first = normalizeAxis('flatten', start, ndim)
    const last = normalizeAxis('flatten', end, ndim)
    if (first > last) {
      throw new ValueError('flatten', 'a first axis before the last', `${start} and ${end}`)
    }
    const merged = sizeOf(shape.slice(first, last + 1))
    const out = [...shape.slice(0, first), merged, ...shape.slice(last + 1)]
    return expose(b.reshape(this.node, out))
  }

  /** One axis as several of `sizes`, of which one may be -1. Mirrors `torch.unflatten`. */
  unflatten(axis: number, sizes: Shape): Tensor {
    const at = normalizeAxis('unflatten', axis, this.ndim)
    const filled = resolveReshape('unflatten', [this.shape[at]!], sizes)
    const out = [...this.shape.slice(0, at), ...filled, ...this.shape.slice(at + 1)]
    return expose(b.reshape(this.node, out))
  }

  /** Axes in another order: output axis i is input axis `axes[i]`; reversed by default. Mirrors `numpy.transpose`. */
  permute(axes?: readonly number[]): Tensor {
    return expose(b.transpose(this.node, permutation('permute', axes, this.ndim)))
  }

  /**
   * Two axes exchanged, as `torch.transpose(x, 0, 1)`, or all axes reordered by a list (reversed by
   * default), as `numpy.transpose`.
   */
  transpose(axes?: readonly number[]): Tensor
  transpose(first: number, second: number): Tensor
  transpose(first?: number | readonly number[], second?: number): Tensor {
    if (typeof first === 'number') return swapped('transpose', this.node, first, second ?? -1)
    return expose(b.transpose(this.node, permutation('transpose', first, this.ndim)))
  }

  /** All axes in reverse order. */
  get T(): Tensor {
    return this.permute()
  }

  /** The last two axes exchanged. Mirrors `torch.Tensor.mT`. */
  get mT(): Tensor {
    if (this.ndim < 2) {
      throw new ShapeError('mT', 'a tensor with at least two axes', formatShape(this.shape))
    }
    return swapped('mT', this.node, -2, -1)
  }

  /** Two axes exchanged. Mirrors `torch.swapaxes`. */
  swapAxes(first: number, second: number): Tensor {
    return swapped('swapAxes', this.node, first, second)
  }

  /** Axes `from` put at positions `to`; the others keep their order. Mirrors `torch.moveaxis`. */
  moveAxis(from: Axes, to: Axes): Tensor {
    return expose(b.transpose(this.node, movedOrder(from, to, this.ndim)))
  }

  /** Without axes of size 1: all of them, or those named, which have to be of size 1. Mirrors `torch.squeeze`. */
  squeeze(axis?: Axes): Tensor {
    const { shape } = this
    const named = axis === undefined ? null : normalizeAxes('squeeze', axis, this.ndim)
    for (const i of named ?? []) {
      if (shape[i] !== 1) {
        throw new ShapeError('squeeze', `axis ${i} of size 1`, formatShape(shape), { axis: i })
      }
    }
    const gone = (d: Dim, i: number): boolean => (named === null ? d === 1 : named.includes(i))
    return expose(
      b.reshape(
        this.node,
        shape.filter((d, i) => !gone(d, i)),
      ),
    )
  }

  /** A new axis of size 1 at each position `axis` of the result. Mirrors `torch.unsqueeze`. */
  unsqueeze(axis: Axes): Tensor {
    const added = typeof axis === 'number' ? [axis] : axis
    const at = normalizeAxes('unsqueeze', added, this.ndim + added.length)
    const old = [...this.shape]
    const out = range(this.ndim + added.length).map((i) => (at.includes(i) ? 1 : old.shift()!))
    return expose(b.reshape(this.node, out))
  }

  /** Another name for `unsqueeze`. Mirrors `numpy.expand_dims`. */
  expandDims(axis: Axes): Tensor {
    return this.unsqueeze(axis)
  }

  /** Repeated along axes of size 1 and new leading ones to fit `shape`. Mirrors `torch.broadcast_to`. */
  broadcastTo(shape: Shape): Tensor {
    return expose(spread('broadcastTo', this.node, shape))
  }

  /** As `broadcastTo`, where -1 keeps an axis as it is. Mirrors `torch.Tensor.expand`. */
  expand(shape: Shape): Tensor {
    const lead = shape.length - this.ndim
    const full = shape.map((d, i) => (d === -1 && i >= lead ? this.shape[i - lead]! : d))
    return expose(spread('expand', this.node, full))
  }

  /**
   * The whole tensor repeated `repeats[i]` times along axis i; missing leading entries are 1, and more
   * entries than axes add leading axes. Mirrors `torch.tile`.
   */
  tile(repeats: readonly number[]): Tensor {
    checkCounts('tile', repeats)
    const rank = Math.max(repeats.length, this.ndim)
    const shape = [...new Array<number>(rank - this.ndim).fill(1), ...this.shape]
    const counts = [...new Array<number>(rank - repeats.length).fill(1), ...repeats]
    const apart = shape.flatMap((d) => [1, d])
    const grown = shape.flatMap((d, i) => [counts[i]!, d])
    const out = shape.map((d, i) => dimMul(d, counts[i]!))
    return expose(b.reshape(b.broadcast(b.reshape(this.node, apart), grown), out))
  }

  /** Another name for `tile`. Mirrors `torch.Tensor.repeat`. */
  repeat(repeats: readonly number[]): Tensor {
    return this.tile(repeats)
  }

  /** Each element `count` times in a row along an axis (default: flattened). Mirrors `torch.repeat_interleave`. */
  repeatInterleave(count: number, arg?: AxisArg): Tensor {
    checkCounts('repeatInterleave', [count])
    const flat = arg === undefined || (typeof arg === 'object' && arg.axis === undefined)
    const x = flat ? b.reshape(this.node, [sizeOf(this.shape)]) : this.node
    const axis = flat ? 0 : oneAxis('repeatInterleave', arg, this.ndim, 0)
    const { shape } = x
    const apart = [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)]
    const grown = apart.map((d, i) => (i === axis + 1 ? count : d))
    const out = shape.map((d, i) => (i === axis ? dimMul(d, count) : d))
    return expose(b.reshape(b.broadcast(b.reshape(x, apart), grown), out))
  }

  /** In reverse order along axes (default: all). Mirrors `torch.flip`. */
  flip(axis?: Axes): Tensor {
    return expose(b.reverse(this.node, normalizeAxes('flip', axis, this.ndim)))
  }

  /**
   * Shifted along axes, what falls out coming back in at the other end; without axes, in the flattened
   * order. Mirrors `torch.roll`.
   */
  roll(shift: number | readonly number[], arg?: Axes): Tensor {
    if (arg === undefined) {
      const total = typeof shift === 'number' ? shift : shift.reduce((sum, s) => sum + s, 0)
      const flat = b.reshape(this.node, [sizeOf(this.shape)])
      return expose(b.reshape(rolled(flat, total, 0), this.shape))
    }
    const axes = typeof arg === 'number' ? [arg] : arg
    const shifts = typeof shift === 'number' ? [shift] : shift
    if (axes.length !== shifts.length) {
      throw new ValueError('roll', `a shift for each of ${axes.length} axes`, String(shifts.length))
    }
    let x = this.node
    for (const [i, axis] of axes.entries()) {
      x = rolled(x, shifts[i]!, normalizeAxis('roll', axis, this.ndim))
    }
    return expose(x)
  }

  /**
   * Values put around. `padding` has a pair [before, after] for each axis, or one pair for all of them;
   * negative ones crop (constant mode only). Mirrors `numpy.pad`.
   *
   * @param options `mode`: `constant` (with `value`, default 0), `reflect` (without the edge),
   * `replicate` or `circular`.
   */
  pad(padding: Padding | readonly Padding[], options: PadOptions = {}): Tensor {
    const { mode = 'constant', value = 0 } = options
    const pairs = paddings(padding, this.ndim, this.shape)
    return expose(padNode(this.node, pairs, mode, scalarNode(value, this.dtype)))
  }

  /** Elements `start` to `start + length` of an axis. Mirrors `torch.narrow`. */
  narrow(axis: number, start: number, length: number): Tensor {
    const at = normalizeAxis('narrow', axis, this.ndim)
    const n = this.shape[at]!
    const from = start < 0 ? dimAdd(n, start) : start
    const stop = dimAdd(from, length)
    const fits = !isKnown(n) || (isKnown(from) && from >= 0 && isKnown(stop) && stop <= n)
    if (!fits || length < 0) {
      throw new IndexError(
        'narrow',
        `0 <= start and start + length <= ${n} on axis ${at}`,
        `start ${start}, length ${length}`,
        { axis: at, start, length },
      )
    }
    return expose(cut(this.node, at, from, stop))
  }

  /**
   * Pieces along an axis (default 0): of `sizes` each, the last one smaller where it does not divide, or
   * of the sizes listed, which have to add up. Mirrors `torch.split`.
   */
  split(sizes: number | readonly number[], arg?: AxisArg): Tensor[] {
    const axis = oneAxis('split', arg, this.ndim, 0)
    const total = knownSize('split', this.shape, axis)
    const list = typeof sizes === 'number' ? equalParts('split', total, sizes) : sizes
    checkCounts('split', list)
    if (list.reduce((sum, s) => sum + s, 0) !== total) {
      const received = `[${list.join(', ')}]`
      throw new ShapeError('split', `sizes that add up to ${total} (axis ${axis})`, received)
    }
    let start = 0
    return list.map((size) => {
      start += size
      return expose(cut(this.node, axis, start - size, start))
    })
  }

  /** At most `count` pieces of equal size along an axis (default 0), the last one maybe smaller. Mirrors `torch.chunk`. */
  chunk(count: number, arg?: AxisArg): Tensor[] {
    const axis = oneAxis('chunk', arg, this.ndim, 0)
    if (!Number.isInteger(count) || count < 1) {
      throw new ValueError('chunk', 'a count of at least 1', String(count))
    }
    const total = knownSize('chunk', this.shape, axis)
    return this.split(Math.max(1, Math.ceil(total / count)), axis)
  }

  /** The slices along an axis (default 0), without it. Mirrors `torch.unbind`. */
  unbind(arg?: AxisArg): Tensor[] {
    const axis = oneAxis('unbind', arg, this.ndim, 0)
    const rest = this.shape.filter((_, i) => i !== axis)
    return range(knownSize('unbind', this.shape, axis)).map((i) =>
      expose(b.reshape(cut(this.node, axis, i, i + 1), rest)),
    )
  }
}

function checkCounts(where: string, counts: readonly number[]): void {
  if (!Array.isArray(counts as unknown))
    throw new ValueError(where, 'counts in one array', String(counts))
  if (counts.every((n) => Number.isInteger(n) && n >= 0)) return
  throw new ValueError(where, 'whole numbers of at least 0', `[${counts.join(', ')}]`)
}

function knownSize(where: string, shape: Shape, axis: number): number {
  const n = shape[axis]!
  if (isKnown(n)) return n
  throw new ShapeError(where, `axis ${axis} of a known size`, formatShape(shape), { axis })
}

function equalParts(where: string, total: number, size: number): number[] {
  if (!Number.isInteger(size) || size < 1) {
    throw new ValueError(where, 'a size of at least 1', String(size))
  }
  const count = Math.max(1, Math.ceil(total / size))
  return range(count).map((i) => Math.min(size, total - i * size))
}

function permutation(where: string, axes: readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return range(rank).reverse()
  if (!Array.isArray(axes as unknown))
    throw new ValueError(where, 'axes in one array', String(axes))
  const perm = axes.map((a) => normalizeAxis(where, a, rank))
  if (perm.length === rank && new Set(perm).size === rank) return perm
  throw new ValueError(where, `each of ${rank} axes once`, `[${axes.join(', ')}]`, { axes })
}

function swapped(where: string, x: Node, first: number, second: number): Tensor {
  const rank = x.shape.length
  const perm = range(rank)
  const i = normalizeAxis(where, first, rank)
  const j = normalizeAxis(where, second, rank)
  perm[i] = j
  perm[j] = i
  return expose(b.transpose(x, perm))
}

function movedOrder(from: Axes, to: Axes, rank: number): number[] {
  const list = (axes: Axes): number[] =>
    (typeof axes === 'number' ? [axes] : [...axes]).map((a) => normalizeAxis('moveAxis', a, rank))
  const [sources, targets] = [list(from), list(to)]
  const unique =
    new Set(sources).size === sources.length && new Set(targets).size === targets.length
  if (!unique || sources.length !== targets.length) {
    const received = `[${sources.join(', ')}] to [${targets.join(', ')}]`
    throw new ValueError('moveAxis', 'as many target axes as sources, each once', received)
  }
  const rest = range(rank).filter((i) => !sources.includes(i))
  return range(rank).map((i) => {
    const k = targets.indexOf(i)
    return k < 0 ? rest.shift()! : sources[k]!
  })
}

function spread(where: string, x: Node, shape: Shape): Node {
  const met = shape.length >= x.shape.length ? broadcastShapes(where, x.shape, shape) : x.shape
  if (shapeEqual(met, shape)) return b.broadcastTo(x, shape)
  throw new ShapeError(
    where,
    `a shape that ${formatShape(x.shape)} broadcasts to`,
    formatShape(shape),
    { from: x.shape, to: shape },
  )
}

function rolled(x: Node, shift: number, axis: number): Node {
  const n = x.shape[axis]!
  if (n === 0) return x
  if (!isKnown(n))
    throw new ShapeError('roll', `axis ${axis} of a known size`, formatShape(x.shape))
  const by = ((shift % n) + n) % n
  if (by === 0) return x
  return b.concat([cut(x, axis, n - by, n), cut(x, axis, 0, dimSub(n, by))], axis)
}

function paddings(
  padding: Padding | readonly Padding[],
  rank: number,
  shape: Shape,
): readonly Padding[] {
  const flat = (p: Padding | readonly Padding[]): p is Padding =>
    p.length === 2 && typeof p[0] === 'number'
  const pairs = flat(padding) ? range(rank).map(() => padding) : padding
  const whole = pairs.every((p) => p.length === 2 && p.every(Number.isInteger))
  if (pairs.length === rank && whole) return pairs
  throw new ValueError(
    'pad',
    `a pair of whole numbers, or one for each axis of ${formatShape(shape)}`,
    JSON.stringify(padding),
  )
}
