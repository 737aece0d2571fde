// Single steps of recurrent layers, for loops of one's own.

import { dimEqual } from '../base/dim.js'
import type { DType } from '../base/dtype.js'
import { ShapeError } from '../base/errors.js'
import { formatShape, type Shape, shapeEqual } from '../base/shape.js'
import * as b from '../ir/build.js'
import { type RecurrentKind, recurrentSizes, recurrentStep } from '../ir/composites/recurrent.js'
import { expose } from '../tensor/core.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Parameter } from '../tensor/variable.js'
import { Module } from './module.js'
import { checkSizes } from './parameters.js'
import { recurrentParameters, rnnKind } from './recurrent.js'

export interface CellOptions {
  /** Whether biases are added. Default true. */
  readonly bias?: boolean
  /** Dtype of the parameters. Default float32. */
  readonly dtype?: DType
}

export interface RNNCellOptions extends CellOptions {
  /** Default `'tanh'`. */
  readonly nonlinearity?: 'tanh' | 'relu'
}

/** What the three cells have in common. */
abstract class RecurrentCell extends Module {
  readonly weight_ih: Parameter
  readonly weight_hh: Parameter
  readonly bias_ih: Parameter | null
  readonly bias_hh: Parameter | null
  readonly #kind: RecurrentKind

  constructor(
    kind: RecurrentKind,
    readonly inputSize: number,
    readonly hiddenSize: number,
    options: CellOptions,
  ) {
    super()
    checkSizes(new.target.name, { inputSize, hiddenSize })
    this.#kind = kind
    const rows = recurrentSizes(kind).gates * hiddenSize
    const { ih, hh, biases } = recurrentParameters(rows, inputSize, hiddenSize, options)
    this.weight_ih = ih
    this.weight_hh = hh
    this.bias_ih = biases[0] ?? null
    this.bias_hh = biases[1] ?? null
  }

  /** The next states, from x [batch, inputSize] and states [batch, hiddenSize]; or all without a batch. */
  protected step(x: Tensor, given: readonly (Tensor | undefined)[]): Tensor[] {
    const where = this.constructor.name
    const features = x.shape.at(-1)
    if (x.ndim < 1 || x.ndim > 2 || !dimEqual(features!, this.inputSize)) {
      throw new ShapeError(where, `input [batch, ${this.inputSize}]`, formatShape(x.shape))
    }
    const lead = x.shape.slice(0, -1)
    const outer: Shape = [...lead, this.hiddenSize]
    const batch = lead[0] ?? 1
    const inner: Shape = [batch, this.hiddenSize]
    const states = given.map((state) => {
      if (state === undefined) return b.full(0, inner, x.dtype)
      if (!shapeEqual(state.shape, outer) || state.dtype !== x.dtype) {
        const expected = `a state of ${x.dtype} ${formatShape(outer)}`
        throw new ShapeError(where, expected, `${state.dtype} ${formatShape(state.shape)}`)
      }
      return b.reshape(state.node, inner)
    })
    const next = recurrentStep(this.#kind, b.reshape(x.node, [batch, features!]), states, {
      weight: this.weight_ih.node,
      recurrent: this.weight_hh.node,
      bias: this.bias_ih?.node ?? null,
      recurrentBias: this.bias_hh?.node ?? null,
    })
    return next.map((state) => expose(b.reshape(state, outer)))
  }

  override extraRepr(): string {
    return `${this.inputSize}, ${this.hiddenSize}${this.bias_ih === null ? ', bias=false' : ''}`
  }
}

/**
 * One step of an `LSTM`: x [batch, inputSize] and states h and c [batch, hiddenSize] (zeros by default) to
 * the next states. Mirrors `torch.nn.LSTMCell`.
 */
export class LSTMCell extends RecurrentCell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super('lstm', inputSize, hiddenSize, options)
  }

  /** @throws ShapeError for an input or states that do not fit. */
  forward(x: Tensor, state?: readonly [h: Tensor, c: Tensor]): [h: Tensor, c: Tensor] {
    return this.step(x, [state?.[0], state?.[1]]) as [Tensor, Tensor]
  }
}

/** One step of a `GRU`: x [batch, inputSize] and h [batch, hiddenSize] to h. Mirrors `torch.nn.GRUCell`. */
export class GRUCell extends RecurrentCell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super('gru', inputSize, hiddenSize, options)
  }

  /** @throws ShapeError for an input or a state that does not fit. */
  forward(x: Tensor, state?: Tensor): Tensor {
    return this.step(x, [state])[0] as Tensor
  }
}

/** One step of an `RNN`: x [batch, inputSize] and h [batch, hiddenSize] to h. Mirrors `torch.nn.RNNCell`. */
export class RNNCell extends RecurrentCell {
  constructor(
    inputSize: number,
    hiddenSize: number,
    { nonlinearity = 'tanh', ...options }: RNNCellOptions = {},
  ) {
    super(rnnKind('RNNCell', nonlinearity), inputSize, hiddenSize, options)
  }

  /** @throws ShapeError for an input or a state that does not fit. */
  forward(x: Tensor, state?: Tensor): Tensor {
    return this.step(x, [state])[0] as Tensor
  }
}
