// The workloads at sizes small enough for a test: steps that train, the same compiled and eagerly.

import { manualSeed } from 'tessera'
import { describe, expect, test } from 'vitest'
import { gpt } from './gpt.js'
import { WORKLOADS } from './index.js'
import { lstm } from './lstm.js'
import { cifarCnn, mlp, mnistCnn } from './networks.js'
import { resnet18Cifar } from './resnet.js'
import { twoTower } from './retrieval.js'
import { type Mode, type Training, training } from './workload.js'

const SMALL: Readonly<Record<string, () => Training>> = {
  mlp: () => mlp(4),
  mnistCnn: () => mnistCnn(2),
  cifarCnn: () => cifarCnn(2),
  resnet18: () => resnet18Cifar(2, [4, 8]),
  lstm: () => lstm(4, { hidden: 6, steps: 5 }),
  gpt: () => gpt(2, { vocabulary: 11, context: 8, width: 16, heads: 2, layers: 2 }),
  twoTower: () => twoTower(8, { users: 9, items: 7, width: 4 }),
}

const STEPS = 12

function losses(mode: Mode, make: () => Training): number[] {
  manualSeed(1)
  const step = training(mode, make())
  return Array.from({ length: STEPS }, step)
}

describe.each(Object.entries(SMALL))('%s', (_, make) => {
  test('learns its batch, compiled as eagerly', () => {
    const compiled = losses('compile', make)
    expect(compiled.at(-1)).toBeLessThan(compiled[0]!)
    expect(losses('eager', make)).toEqual(compiled)
  })
})

test('an inference computes the classes of one image', () => {
  const infer = WORKLOADS.resnet18_cifar_infer_b1!('compile')
  expect(infer()).toMatchObject({ shape: [1, 10] })
})
