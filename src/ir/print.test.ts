import { describe, expect, it } from 'vitest'
import { SymDim } from '../base/dim.js'
import * as b from './build.js'
import { sgdUpdate } from './composites/optimizers.js'
import { printGraph, printNode } from './print.js'
import './primitives/index.js'
import { parameter } from './primitives/source.js'

describe('printGraph', () => {
  it('shows a line for each node, with types, attributes, names and source lines', () => {
    const x = parameter([SymDim.symbol('N'), 3], 'float32')
    x.name = 'x'
    const y = b.reduceMax(b.neg(x), [1])
    y.site = { file: 'model.ts', line: 12, column: 3, functionName: 'forward' }
    expect(printGraph([y, b.constant(-0, 'float64')])).toBe(
      [
        "%0 = param() : float32[N, 3]   # 'x'",
        '%1 = neg(%0) : float32[N, 3]',
        "%2 = reduceMax(%1, axes=[1], ties='split') : float32[N]   # model.ts:12",
        '%3 = const(value=-0, dtype=float64) : float64',
        'return %2, %3',
      ].join('\n'),
    )
  })

  it('shows all results of a node that has several', () => {
    const [p, lr] = [parameter([2], 'float32'), parameter([], 'float32')]
    const { param } = sgdUpdate({ param: p, grad: p, lr, momentumBuffer: p }, { momentum: 0.5 })
    expect(printGraph([param])).toContain(
      ' nesterov=false, weightDecay=0, maximize=false) : (float32[2], float32[2])',
    )
  })
})

describe('printNode', () => {
  it('shows one node with the types of its inputs', () => {
    const x = parameter([2, 3], 'int32')
    expect(printNode(b.transpose(x, [1, 0]))).toBe(
      'transpose(int32[2, 3], perm=[1, 0]) : int32[3, 2]',
    )
  })
})
