// How losses are gathered: the `reduction` every loss takes, its check, and its gradient.

import { ValueError } from '../../base/errors.js'
import { SCALAR, type Shape, sizeOf, staticShape } from '../../base/shape.js'
import * as b from '../build.js'
import type { Node, TensorType } from '../node.js'
import { allAxes, times } from './math.js'

/** What becomes of the losses of single elements: their mean, their sum, or nothing. */
export type Reduction = 'mean' | 'sum' | 'none'
export const REDUCTIONS: readonly Reduction[] = ['mean', 'sum', 'none']

/** The type of a loss of elements of `shape`; throws ValueError for an unknown reduction. */
export function lossType(where: string, reduction: string, each: TensorType): TensorType {
  if (!REDUCTIONS.includes(reduction as Reduction)) {
    throw new ValueError(where, `a reduction among ${REDUCTIONS.join(', ')}`, `'${reduction}'`)
  }
  const { shape, dtype } = each
  return reduction === 'none' ? { shape, dtype } : { shape: SCALAR, dtype }
}

const countOf = (shape: Shape): number => sizeOf(staticShape('mean', shape))

/** Gathers losses of single elements; the mean of none is NaN. */
export function reduceLoss(each: Node, reduction: string): Node {
  if (reduction === 'none') return each
  const sum = b.reduceSum(each, allAxes(each))
  return reduction === 'sum' ? sum : b.div(sum, b.fullLike(sum, countOf(each.shape)))
}

/** The gradient of each element's loss, from that of the gathered loss. */
export function spreadLoss(grad: Node, reduction: string, shape: Shape): Node {
  if (reduction === 'none') return grad
  const share = reduction === 'mean' ? times(grad, 1 / countOf(shape)) : grad
  return b.broadcastTo(share, shape)
}
