// Recurrent layers over whole sequences: one layer in one direction, as PyTorch defines them.
//
// What the inputs contribute to the gates is one product for all steps, ahead of the scan; a step adds
// what the state contributes, and turns gates into the next state.

import type { Dim } from '../../base/dim.js'
import { dimFits } from '../../base/dim.js'
import { ShapeError } from '../../base/errors.js'
import { formatShape, type Shape } from '../../base/shape.js'
import { Body } from '../body.js'
import * as b from '../build.js'
import { apply, type Node, type TensorType } from '../node.js'
import { type Attrs, define, type Op, type Sample } from '../op.js'
import { checkFloat, checkSameDType, checkSameShape } from '../primitives/check.js'
import { parameter } from '../primitives/source.js'
import { relu, sigmoid } from './activations.js'
import { linear } from './linear.js'
import { split } from './split.js'

export type RecurrentKind = 'lstm' | 'gru' | 'rnnTanh' | 'rnnRelu'

interface RecurrentAttrs extends Attrs {
  /** Whether biases of inputs and of states are the last two inputs. */
  readonly bias: boolean
  readonly reverse: boolean
}

/** One kind of layer. */
interface Cell {
  /** How many times the state's size a weight has rows. */
  readonly gates: number
  readonly states: number
  /** Whether the state's bias is added to its product in each step, not to the inputs' once. */
  readonly separateBias: boolean
  /** The next states (the first is the result), from the inputs' gates and a product with the state. */
  step(gates: Node, hidden: Node, states: readonly Node[]): readonly Node[]
}

const oneMinus = (x: Node): Node => b.sub(b.fullLike(x, 1), x)

const CELLS: Readonly<Record<RecurrentKind, Cell>> = {
  lstm: {
    gates: 4,
    states: 2,
    separateBias: false,
    step: (gates, hidden, [, cell]) => {
      const [i, f, g, o] = split(b.add(hidden, gates), 1, 4) as [Node, Node, Node, Node]
      const next = b.add(b.mul(sigmoid(f), cell!), b.mul(sigmoid(i), b.tanh(g)))
      return [b.mul(sigmoid(o), b.tanh(next)), next]
    },
  },
  gru: {
    gates: 3,
    states: 1,
    // The reset gate scales all that comes from the state, its bias too.
    separateBias: true,
    step: (gates, hidden, [state]) => {
      const [xr, xz, xn] = split(gates, 1, 3) as [Node, Node, Node]
      const [hr, hz, hn] = split(hidden, 1, 3) as [Node, Node, Node]
      const r = sigmoid(b.add(hr, xr))
      const z = sigmoid(b.add(hz, xz))
      const n = b.tanh(b.add(xn, b.mul(r, hn)))
      return [b.add(b.mul(oneMinus(z), n), b.mul(z, state!))]
    },
  },
  rnnTanh: {
    gates: 1,
    states: 1,
    separateBias: false,
    step: (gates, hidden) => [b.tanh(b.add(hidden, gates))],
  },
  rnnRelu: {
    gates: 1,
    states: 1,
    separateBias: false,
    step: (gates, hidden) => [relu(b.add(hidden, gates))],
  },
}

const timesTransposed: b.DotAttrs = {
  leftBatch: [],
  rightBatch: [],
  leftContract: [1],
  rightContract: [1],
}

/** Bodies by kind and type: the gradient of a layer has to find the body its forward pass has. */
const bodies = new Map<string, Body>()
const MOST_BODIES = 256

function bodyOf(kind: RecurrentKind, bias: boolean, state: TensorType): Body {
  const key = `${kind} ${bias} ${state.dtype} ${formatShape(state.shape)}`
  let body = bodies.get(key)
  if (body === undefined) {
    if (bodies.size === MOST_BODIES) bodies.clear()
    body = makeBody(kind, bias, state)
    bodies.set(key, body)
  }
  return body
}

/** (weight, bias?, …states, gates) to (…states, result). */
function makeBody(kind: RecurrentKind, bias: boolean, { shape, dtype }: TensorType): Body {
  const { gates, states, separateBias, step } = CELLS[kind]
  const [batch, size] = shape as [number, number]
  const weight = parameter([gates * size, size], dtype)
  const own = bias && separateBias ? [parameter([gates * size], dtype)] : []
  const before = Array.from({ length: states }, () => parameter(shape, dtype))
  const given = parameter([batch, gates * size], dtype)
  const product = b.dot([before[0]!, weight], timesTransposed)
  const hidden = own.length === 0 ? product : b.add(product, b.broadcastTo(own[0]!, product.shape))
  const after = step(given, hidden, before)
  return new Body([weight, ...own, ...before, given], [...after, after[0]!])
}

const FEATURES = 3

function layer(kind: RecurrentKind): Op<RecurrentAttrs> {
  const cell = CELLS[kind]
  const { gates, states, separateBias } = cell
  const parts = (inputs: readonly Node[]) => {
    const [x, ...rest] = inputs as [Node, ...Node[]]
    const [weight, recurrent, bias, recurrentBias] = rest.slice(states) as [
      Node,
      Node,
      Node?,
      Node?,
    ]
    return { x, initial: rest.slice(0, states), weight, recurrent, bias, recurrentBias }
  }
  return define<RecurrentAttrs>({
    name: kind,
    attrs: { bias: 'flag', reverse: 'flag' },
    infer: ([x, ...rest], { bias }) => {
      checkFloat(kind, x!)
      const [steps, batch, features] = x!.shape as [Dim, Dim, Dim]
      const weight = rest[states]!
      const rows = weight.shape[0]! as number
      const size = rows / gates
      const fits = x!.shape.length === FEATURES && dimFits(features, weight.shape[1]!)
      if (!fits || !Number.isInteger(size)) {
        const expected = `a sequence [time, batch, features] (weight is ${formatShape(weight.shape)})`
        throw new ShapeError(kind, expected, formatShape(x!.shape))
      }
      const types: Shape[] = [
        ...Array.from({ length: states }, () => [batch, size]),
        [rows, features],
        [rows, size],
        ...(bias ? [[rows], [rows]] : []),
      ]
      types.forEach((shape, i) => {
        const what = i < states ? 'a state' : 'a parameter'
        checkSameDType(kind, what, x!, rest[i]!)
        checkSameShape(kind, what, shape, rest[i]!.shape)
      })
      const { dtype } = x!
      const state = { shape: [batch, size], dtype }
      return [
        { shape: [steps, batch, size], dtype },
        ...Array.from({ length: states }, () => state),
      ]
    },
    expand: (inputs, { bias: hasBias, reverse }) => {
      const { x, initial, weight, recurrent, bias, recurrentBias } = parts(inputs)
      const both = hasBias && !separateBias ? b.add(bias!, recurrentBias!) : hasBias ? bias! : null
      const shared = hasBias && separateBias ? [recurrent, recurrentBias!] : [recurrent]
      const loop = b.scan([...shared, ...initial, linear(x, weight, both)], {
        body: bodyOf(kind, hasBias, initial[0]!),
        shared: shared.length,
        carries: states,
        length: [x.shape[0]!],
        reverse,
      })
      return [b.output(loop, states), ...initial.map((_, i) => b.output(loop, i))]
    },
    samples: () => samplesOf(cell),
  })
}

function samplesOf({ gates, states }: Cell): Sample<RecurrentAttrs>[] {
  const sample = (
    [steps, batch, features, size]: readonly [number, number, number, number],
    attrs: RecurrentAttrs,
    note: string,
    dtype: 'float32' | 'float64' = 'float32',
  ): Sample<RecurrentAttrs> => {
    const rows = gates * size
    const shapes = [
      [steps, batch, features],
      ...Array.from({ length: states }, () => [batch, size]),
      [rows, features],
      [rows, size],
      ...(attrs.bias ? [[rows], [rows]] : []),
    ]
    return { inputs: shapes.map((shape) => ({ shape, dtype, range: [-0.9, 0.9] })), attrs, note }
  }
  return [
    sample([4, 2, 3, 5], { bias: true, reverse: false }, 'forward'),
    sample([3, 8, 1, 4], { bias: true, reverse: true }, 'from the end', 'float64'),
    sample([3, 16, 2, 3], { bias: true, reverse: false }, 'rows of several threads'),
    sample([2, 1, 2, 3], { bias: false, reverse: false }, 'no bias, one row'),
    sample([0, 2, 3, 2], { bias: true, reverse: false }, 'no steps'),
    sample([2, 0, 3, 2], { bias: true, reverse: false }, 'no rows'),
  ]
}

const LAYERS: Readonly<Record<RecurrentKind, Op<RecurrentAttrs>>> = {
  lstm: layer('lstm'),
  gru: layer('gru'),
  rnnTanh: layer('rnnTanh'),
  rnnRelu: layer('rnnRelu'),
}

/** Weights as PyTorch has them: [gates · size, features], [gates · size, size], and two biases. */
export interface RecurrentWeights {
  readonly weight: Node
  readonly recurrent: Node
  readonly bias: Node | null
  readonly recurrentBias: Node | null
}

/**
 * A recurrent layer over x [time, batch, features] from some states [batch, size]; from the last element
 * to the first if `reverse`. Results: one for each step [time, batch, size], then the last states.
 */
export function recurrent(
  kind: RecurrentKind,
  x: Node,
  states: readonly Node[],
  { weight, recurrent: own, bias, recurrentBias }: RecurrentWeights,
  reverse = false,
): Node[] {
  const biases = bias === null || recurrentBias === null ? [] : [bias, recurrentBias]
  const node = apply(LAYERS[kind], [x, ...states, weight, own, ...biases], {
    bias: biases.length > 0,
    reverse,
  })
  return [0, ...states.map((_, i) => i + 1)].map((i) => b.output(node, i))
}

/** How many states a kind of layer has, and how many times their size its weights have rows. */
export const recurrentSizes = (kind: RecurrentKind): { gates: number; states: number } =>
  CELLS[kind]

/** One step from states [batch, size] with x [batch, features]: the next states. */
export function recurrentStep(
  kind: RecurrentKind,
  x: Node,
  states: readonly Node[],
  { weight, recurrent: own, bias, recurrentBias }: RecurrentWeights,
): readonly Node[] {
  return CELLS[kind].step(linear(x, weight, bias), linear(states[0]!, own, recurrentBias), states)
}
