// Recurrent layers: RNN, LSTM and GRU over sequences.

import { dimEqual } from '../base/dim.js'
import type { DType } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, shapeEqual } from '../base/shape.js'
import * as b from '../ir/build.js'
import {
  type RecurrentKind,
  type RecurrentWeights,
  recurrent,
  recurrentSizes,
} from '../ir/composites/recurrent.js'
import type { Node } from '../ir/node.js'
import { expose } from '../tensor/core.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Parameter } from '../tensor/variable.js'
import { dropout } from './functional/layers.js'
import { Module } from './module.js'
import { checkSizes, uniformParameter } from './parameters.js'
import { optionsRepr } from './repr.js'

export interface RecurrentOptions {
  /** Layers on top of each other, each fed with the results of the one below. Default 1. */
  readonly numLayers?: number
  /** Whether biases are added. Default true. */
  readonly bias?: boolean
  /** Whether sequences are [batch, time, features] instead of [time, batch, features]. Default false. */
  readonly batchFirst?: boolean
  /** Probability with which results of all layers but the last are dropped when training. Default 0. */
  readonly dropout?: number
  /** Whether a second set of layers goes from the end to the beginning. Default false. */
  readonly bidirectional?: boolean
  /** Dtype of the parameters. Default float32. */
  readonly dtype?: DType
}

export interface RNNOptions extends RecurrentOptions {
  /** Default `'tanh'`. */
  readonly nonlinearity?: 'tanh' | 'relu'
}

/** The four parameters of one layer in one direction, starting as U(-1/√size, 1/√size). */
export function recurrentParameters(
  rows: number,
  features: number,
  size: number,
  { bias = true, dtype = 'float32' }: { readonly bias?: boolean; readonly dtype?: DType },
): { readonly ih: Parameter; readonly hh: Parameter; readonly biases: readonly Parameter[] } {
  const bound = 1 / Math.sqrt(size)
  return {
    ih: uniformParameter([rows, features], bound, dtype),
    hh: uniformParameter([rows, size], bound, dtype),
    biases: bias ? [1, 2].map(() => uniformParameter([rows], bound, dtype)) : [],
  }
}

/** Element `at` of the first axis. */
function elementAt(x: Node, at: number): Node {
  const [, ...shape] = x.shape
  const zeros = shape.map(() => 0)
  return b.reshape(b.slice(x, [at, ...zeros], [at + 1, ...shape]), shape)
}

/** Arrays of one shape along a new first axis. */
const stacked = (parts: readonly Node[]): Node =>
  b.concat(
    parts.map((x) => b.reshape(x, [1, ...x.shape])),
    0,
  )

/** What the three layers have in common. */
abstract class Recurrent extends Module {
  readonly numLayers: number
  readonly batchFirst: boolean
  readonly dropout: number
  readonly bidirectional: boolean
  readonly #weights: readonly (readonly Parameter[])[]
  readonly #kind: RecurrentKind

  constructor(
    kind: RecurrentKind,
    readonly inputSize: number,
    readonly hiddenSize: number,
    options: RecurrentOptions,
  ) {
    super()
    const { numLayers = 1, batchFirst = false, bidirectional = false } = options
    const where = new.target.name
    checkSizes(where, { inputSize, hiddenSize, numLayers })
    this.#kind = kind
    this.numLayers = numLayers
    this.batchFirst = batchFirst
    this.bidirectional = bidirectional
    this.dropout = options.dropout ?? 0
    if (!(this.dropout >= 0 && this.dropout <= 1)) {
      throw new ValueError(where, 'dropout in [0, 1]', String(this.dropout))
    }
    const rows = recurrentSizes(kind).gates * hiddenSize
    const weights: Parameter[][] = []
    for (let layer = 0; layer < numLayers; layer++) {
      const features = layer === 0 ? inputSize : this.#directions * hiddenSize
      for (const suffix of [`l${layer}`, `l${layer}_reverse`].slice(0, this.#directions)) {
        const { ih, hh, biases } = recurrentParameters(rows, features, hiddenSize, options)
        weights.push([ih, hh, ...biases])
        // Fields by PyTorch's names, so that state dictionaries have them.
        const names = ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh']
        const own = weights.at(-1) as Parameter[]
        Object.assign(this, Object.fromEntries(own.map((p, i) => [`${names[i]}_${suffix}`, p])))
      }
    }
    this.#weights = weights
  }

  get #directions(): number {
    return this.bidirectional ? 2 : 1
  }

  #weightsOf(at: number): RecurrentWeights {
    const [weight, own, bias, ownBias] = (this.#weights[at] as Parameter[]).map((p) => p.node)
    return {
      weight: weight as Node,
      recurrent: own as Node,
      bias: bias ?? null,
      recurrentBias: ownBias ?? null,
    }
  }

  /** Runs all layers; states are [numLayers · directions, batch, hiddenSize], as they are given back. */
  protected run(x: Tensor, given: readonly (Tensor | undefined)[]): [Tensor, Tensor[]] {
    const where = this.constructor.name
    const features = x.shape.at(-1)
    const batched = x.ndim === 3
    if (!(batched || x.ndim === 2) || !dimEqual(features as number, this.inputSize)) {
      const axes = batched && this.batchFirst ? 'batch, time' : 'time, batch'
      const expected = `input [${batched ? axes : 'time'}, ${this.inputSize}]`
      throw new ShapeError(where, expected, formatShape(x.shape), { input: x.shape })
    }
    const swap = (node: Node): Node => b.transpose(node, [1, 0, 2])
    const [steps] = x.shape
    let below = batched ? x.node : b.reshape(x.node, [steps!, 1, features!])
    if (batched && this.batchFirst) below = swap(below)
    const batch = below.shape[1]!
    const count = this.numLayers * this.#directions
    const shape = [count, batch, this.hiddenSize]
    const outer = batched ? shape : [count, this.hiddenSize]
    const initial = given.map((state) => this.#initial(state, outer, shape, x))
    const last: Node[][] = given.map(() => [])
    for (let layer = 0; layer < this.numLayers; layer++) {
      if (layer > 0 && this.dropout > 0 && this.training) {
        below = dropout(expose(below), { p: this.dropout }).node
      }
      const directions = Array.from({ length: this.#directions }, (_, direction) => {
        const at = layer * this.#directions + direction
        const states = initial.map((all) =>
          all === null ? this.#zeros(shape, x) : elementAt(all, at),
        )
        const results = recurrent(this.#kind, below, states, this.#weightsOf(at), direction === 1)
        results.slice(1).forEach((state, i) => void last[i]!.push(state))
        return results[0] as Node
      })
      below = directions.length === 1 ? directions[0]! : b.concat(directions, 2)
    }
    if (batched && this.batchFirst) below = swap(below)
    if (!batched) below = b.reshape(below, [steps!, below.shape[2]!])
    return [expose(below), last.map((states) => expose(b.reshape(stacked(states), outer)))]
  }

  #zeros([, ...shape]: Shape, x: Tensor): Node {
    return b.full(0, shape, x.dtype)
  }

  /** A state that was given, with a batch axis; `null` stands for zeros. */
  #initial(state: Tensor | undefined, outer: Shape, inner: Shape, x: Tensor): Node | null {
    if (state === undefined) return null
    if (!shapeEqual(state.shape, outer) || state.dtype !== x.dtype) {
      const expected = `a state of ${x.dtype} ${formatShape(outer)}`
      const received = `${state.dtype} ${formatShape(state.shape)}`
      throw new ShapeError(this.constructor.name, expected, received, { state: state.shape })
    }
    return b.reshape(state.node, inner)
  }

  override extraRepr(): string {
    const { numLayers, batchFirst, dropout: p, bidirectional } = this
    const options = optionsRepr({
      numLayers: numLayers > 1 ? numLayers : undefined,
      bias: this.#weights[0]!.length === 2 ? false : undefined,
      batchFirst: batchFirst || undefined,
      dropout: p > 0 ? p : undefined,
      bidirectional: bidirectional || undefined,
    })
    return `${this.inputSize}, ${this.hiddenSize}${options === '' ? '' : `, ${options}`}`
  }
}

/**
 * Long short-term memory. Mirrors `torch.nn.LSTM` (without `proj_size`):
 * (i, f, g, o) = W_ih·x + b_ih + W_hh·h + b_hh; c ← σ(f)·c + σ(i)·tanh(g); h ← σ(o)·tanh(c).
 * Hochreiter and Schmidhuber, Neural Computation 9 (1997).
 *
 * Takes x [time, batch, inputSize] (or [batch, time, inputSize] with `batchFirst`, or [time, inputSize])
 * and the states to start from, zeros by default: h and c, [numLayers · directions, batch, hiddenSize].
 * Gives h of the last layer for each step, directions side by side, and the last states of all layers.
 * Parameters have PyTorch's names, as `weight_ih_l0`, and start as U(-1/√hiddenSize, 1/√hiddenSize).
 *
 * @example
 * const [output, [h, c]] = new nn.LSTM(8, 32, { batchFirst: true }).call(randn([4, 10, 8]))
 */
export class LSTM extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super('lstm', inputSize, hiddenSize, options)
  }

  /** @throws ShapeError for an input or states that do not fit. */
  forward(x: Tensor, state?: readonly [h: Tensor, c: Tensor]): [Tensor, [h: Tensor, c: Tensor]] {
    const [output, last] = this.run(x, [state?.[0], state?.[1]])
    return [output, last as [Tensor, Tensor]]
  }
}

/**
 * Gated recurrent unit. Mirrors `torch.nn.GRU`: r and z are σ(W_ih·x + b_ih + W_hh·h + b_hh),
 * n = tanh(W_in·x + b_in + r·(W_hn·h + b_hn)), h ← (1 - z)·n + z·h.
 * [arXiv:1406.1078](https://arxiv.org/abs/1406.1078)
 *
 * Arguments, results and parameters are as for `LSTM`, with one state.
 */
export class GRU extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super('gru', inputSize, hiddenSize, options)
  }

  /** @throws ShapeError for an input or a state that does not fit. */
  forward(x: Tensor, state?: Tensor): [Tensor, Tensor] {
    const [output, last] = this.run(x, [state])
    return [output, last[0] as Tensor]
  }
}

/**
 * The plain recurrent layer (Elman's): h ← tanh(W_ih·x + b_ih + W_hh·h + b_hh), or with relu in place of
 * tanh. Mirrors `torch.nn.RNN`. Arguments, results and parameters are as for `LSTM`, with one state.
 */
export class RNN extends Recurrent {
  readonly nonlinearity: 'tanh' | 'relu'

  constructor(
    inputSize: number,
    hiddenSize: number,
    { nonlinearity = 'tanh', ...options }: RNNOptions = {},
  ) {
    super(rnnKind('RNN', nonlinearity), inputSize, hiddenSize, options)
    this.nonlinearity = nonlinearity
  }

  /** @throws ShapeError for an input or a state that does not fit. */
  forward(x: Tensor, state?: Tensor): [Tensor, Tensor] {
    const [output, last] = this.run(x, [state])
    return [output, last[0] as Tensor]
  }
}

/** @throws ValueError for a nonlinearity there is not. */
export function rnnKind(where: string, nonlinearity: string): 'rnnTanh' | 'rnnRelu' {
  if (nonlinearity === 'tanh') return 'rnnTanh'
  if (nonlinearity === 'relu') return 'rnnRelu'
  throw new ValueError(where, "a nonlinearity 'tanh' or 'relu'", `'${nonlinearity}'`)
}
