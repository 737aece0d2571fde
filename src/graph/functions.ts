// The methods of a graph as functions: they add to the graph of their arguments, or the default graph.

import type { GraphCore } from './core.js'
import { defaultGraph, type Graph } from './graph.js'
import { GraphTensor } from './tensor.js'

/** Methods of `Graph` that make something. */
type Makers = {
  [K in keyof Graph]: Graph[K] extends (...args: never[]) => unknown ? K : never
}[keyof Graph]

/** The graph of the first graph tensor among the arguments, looking into arrays and options. */
function graphIn(args: readonly unknown[]): GraphCore | null {
  for (const x of args) {
    if (x instanceof GraphTensor) return x.graph
    const isOptions = typeof x === 'object' && x !== null && x.constructor === Object
    const found = Array.isArray(x) ? graphIn(x) : isOptions ? graphIn(Object.values(x)) : null
    if (found !== null) return found
  }
  return null
}

function free<K extends Makers>(name: K): Graph[K] {
  const call = (...args: unknown[]): unknown => {
    const graph = (graphIn(args) as Graph | null) ?? defaultGraph()
    return (graph[name] as unknown as (...args: unknown[]) => unknown).apply(graph, args)
  }
  return call as unknown as Graph[K]
}

export const placeholder = free('placeholder')
export const constant = free('constant')
export const variable = free('variable')
export const fill = free('fill')
export const zeros = free('zeros')
export const ones = free('ones')
export const randomNormal = free('randomNormal')
export const randomUniform = free('randomUniform')
export const globalVariablesInitializer = free('globalVariablesInitializer')
export const noOp = free('noOp')
export const group = free('group')
export const named = free('named')
export const nameScope = free('nameScope')
export const ensureShape = free('ensureShape')
export const identity = free('identity')
export const assign = free('assign')
export const assignAdd = free('assignAdd')
export const assignSub = free('assignSub')
export const add = free('add')
export const subtract = free('subtract')
export const multiply = free('multiply')
export const divide = free('divide')
export const pow = free('pow')
export const maximum = free('maximum')
export const minimum = free('minimum')
export const equal = free('equal')
export const less = free('less')
export const greater = free('greater')
export const matmul = free('matmul')
export const transpose = free('transpose')
export const reshape = free('reshape')
export const cast = free('cast')
export const negative = free('negative')
export const square = free('square')
export const sqrt = free('sqrt')
export const exp = free('exp')
export const log = free('log')
export const tanh = free('tanh')
export const sigmoid = free('sigmoid')
export const relu = free('relu')
export const softmax = free('softmax')
export const reduceMean = free('reduceMean')
export const reduceSum = free('reduceSum')
export const reduceMax = free('reduceMax')
export const reduceMin = free('reduceMin')
export const argmax = free('argmax')
export const split = free('split')
export const softmaxCrossEntropyWithLogits = free('softmaxCrossEntropyWithLogits')
export const sparseSoftmaxCrossEntropyWithLogits = free('sparseSoftmaxCrossEntropyWithLogits')
