// Einstein's summation: products of tensors, with an equation that names their axes.

import { type Dim, dimFits } from '../base/dim.js'
import { type DType, promote } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { expose } from './core.js'
import { asTensor, type TensorLike } from './create.js'
import type { Tensor } from './tensor.js'

/** A tensor with a name for each axis. */
interface Term {
  readonly node: Node
  readonly labels: readonly string[]
}

interface Equation {
  readonly inputs: readonly (readonly string[])[]
  readonly output: readonly string[]
}

const refuse = (equation: string): never => {
  throw new ValueError('einsum', `an equation such as 'bij,bjk->bik'`, `'${equation}'`)
}

/** The labels of one term; `...` stands for the axes that are not named, numbered from the last. */
function labelsOf(text: string, rank: number, equation: string): string[] {
  const match = /^([a-zA-Z]*)(\.\.\.)?([a-zA-Z]*)$/.exec(text)
  if (match === null) return refuse(equation)
  const [, before = '', dots, after = ''] = match
  const open = dots === undefined ? 0 : Math.max(0, rank - before.length - after.length)
  const rest = Array.from({ length: open }, (_, i) => `.${open - 1 - i}`)
  return [...before, ...rest, ...after]
}

/** Without an output, the labels that occur once, in alphabetical order, after what `...` stands for. */
function implied(inputs: readonly (readonly string[])[]): string[] {
  const all = inputs.flat()
  const open = [...new Set(all.filter((l) => l.startsWith('.')))]
  const once = all.filter((l) => !l.startsWith('.') && all.indexOf(l) === all.lastIndexOf(l))
  return [...open.sort(fromTheLast), ...once.sort()]
}
const fromTheLast = (p: string, q: string): number => Number(q.slice(1)) - Number(p.slice(1))

function parse(equation: string, ranks: readonly number[]): Equation {
  const [left = '', right, ...more] = equation.replace(/\s+/g, '').split('->')
  const terms = left.split(',')
  if (more.length > 0) refuse(equation)
  if (terms.length !== ranks.length) {
    const expected = `${terms.length} tensors for '${equation}'`
    throw new ValueError('einsum', expected, String(ranks.length))
  }
  const inputs = terms.map((term, i) => labelsOf(term, ranks[i]!, equation))
  if (right === undefined) return { inputs, output: implied(inputs) }
  const open = Math.max(0, ...inputs.map((l) => l.filter((x) => x.startsWith('.')).length))
  const named = right.replace('...', '').length
  const output = labelsOf(right, named + open, equation)
  const known = new Set(inputs.flat())
  const fits = output.every((l) => known.has(l)) && new Set(output).size === output.length
  return fits ? { inputs, output } : refuse(equation)
}

/** A term whose labels differ: where one occurs twice, the diagonal of its axes is taken. */
function distinct({ node, labels }: Term): Term {
  const twice = labels.findIndex((l, i) => labels.indexOf(l) < i)
  if (twice < 0) return { node, labels }
  const first = labels.indexOf(labels[twice]!)
  const axes = labels.map((_, i) => i).filter((i) => i !== first && i !== twice)
  const moved = expose(b.transpose(node, [...axes, first, twice]))
  return distinct({
    node: moved.diagonal().node,
    labels: [...axes.map((i) => labels[i]!), labels[twice]!],
  })
}

/** The sum over the axes whose labels are not among `kept`. */
function summed({ node, labels }: Term, kept: ReadonlySet<string>): Term {
  const gone = labels.flatMap((l, i) => (kept.has(l) ? [] : [i]))
  return { node: b.reduceSum(node, gone), labels: labels.filter((l) => kept.has(l)) }
}

/** The product of two terms, summed over what they share and nobody else needs. */
function contract(left: Term, right: Term, kept: ReadonlySet<string>): Term {
  const x = summed(left, new Set([...kept, ...right.labels]))
  const y = summed(right, new Set([...kept, ...left.labels]))
  const shared = x.labels.filter((l) => y.labels.includes(l))
  const batch = shared.filter((l) => kept.has(l))
  const inner = shared.filter((l) => !kept.has(l))
  const own = (t: Term): string[] => t.labels.filter((l) => !shared.includes(l))
  const at = (t: Term, labels: readonly string[]): number[] =>
    labels.map((l) => t.labels.indexOf(l))
  const node = b.dot([x.node, y.node], {
    leftBatch: at(x, batch),
    rightBatch: at(y, batch),
    leftContract: at(x, inner),
    rightContract: at(y, inner),
  })
  return { node, labels: [...batch, ...own(x), ...own(y)] }
}

function checkSizes(equation: string, terms: readonly Term[]): void {
  const sizes = new Map<string, Dim>()
  for (const { node, labels } of terms) {
    if (labels.length !== node.shape.length) {
      const expected = `a tensor with ${labels.length} axes for its term of '${equation}'`
      throw new ShapeError('einsum', expected, formatShape(node.shape))
    }
    for (const [i, label] of labels.entries()) {
      const size = node.shape[i]!
      const known = sizes.get(label) ?? size
      sizes.set(label, known)
      if (dimFits(known, size)) continue
      const name = label.startsWith('.') ? '...' : label
      const expected = `size ${known} for '${name}' in '${equation}'`
      throw new ShapeError('einsum', expected, `${size} (tensor is ${formatShape(node.shape)})`)
    }
  }
}

/**
 * The sum of products of tensors that an equation describes: labels name axes, those missing in the
 * output are summed over, and a label that occurs twice in one term takes its diagonal. `...` stands for
 * axes without names. Terms are contracted from left to right. Mirrors `torch.einsum`, but axes of size
 * 1 do not broadcast.
 *
 * @throws ValueError for an equation that cannot be read, ShapeError where sizes or ranks do not fit.
 * @example
 * einsum('bij,bjk->bik', x, y)                              // products of stacks of matrices
 * einsum('ii', m)                                           // the trace
 */
export function einsum(equation: string, ...tensors: readonly TensorLike[]): Tensor {
  const nodes = tensors.map((x) => asTensor(x).node)
  const { inputs, output } = parse(
    equation,
    nodes.map((node) => node.shape.length),
  )
  let dtype: DType = 'bool'
  for (const node of nodes) dtype = promote(dtype, node.dtype)
  const numeric = dtype === 'bool' || dtype === 'uint8' ? 'int32' : dtype
  const terms = nodes.map((node, i) => ({ node: b.cast(node, numeric), labels: inputs[i]! }))
  checkSizes(equation, terms)
  const queue = terms.map(distinct)
  let result = queue.shift()!
  for (const [i, next] of queue.entries()) {
    const later = queue.slice(i + 1).flatMap((t) => t.labels)
    result = contract(result, next, new Set([...output, ...later]))
  }
  const { node, labels } = summed(result, new Set(output))
  const order = output.map((l) => labels.indexOf(l))
  return expose(b.transpose(node, order))
}
