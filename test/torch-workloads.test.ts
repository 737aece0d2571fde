// What the benchmark compares is the same: from equal weights and on equal data, the networks it trains
// here and those its PyTorch peer trains have equal losses, step after step.
//
// Runs where a Python with PyTorch is found: the one TESSERA_PYTHON names, else `python3`.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { io, manualSeed } from 'tessera'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gpt } from '../bench/workloads/gpt.js'
import { lstm } from '../bench/workloads/lstm.js'
import { cifarCnn, mlp, mnistCnn } from '../bench/workloads/networks.js'
import { resnet18Cifar } from '../bench/workloads/resnet.js'
import { twoTower } from '../bench/workloads/retrieval.js'
import { type Training, training } from '../bench/workloads/workload.js'
import { askPython, findPython } from './support/python.js'

interface Case {
  /** Its name among the peer's networks, and the sizes it takes there. */
  readonly network: string
  readonly sizes?: Readonly<Record<string, unknown>>
  readonly make: () => Training
}

const GPT = { vocabulary: 11, context: 8, width: 16, heads: 2, layers: 2 }
const TOWERS = { users: 9, items: 7, width: 4 }

const CASES: readonly Case[] = [
  // Without dropout, whose draws are each framework's own.
  { network: 'mlp', sizes: { dropout: 0 }, make: () => mlp(4, 0) },
  { network: 'mnist_cnn', make: () => mnistCnn(2) },
  { network: 'cifar_cnn', make: () => cifarCnn(2) },
  { network: 'resnet18', sizes: { stages: [4, 8] }, make: () => resnet18Cifar(3, [4, 8]) },
  { network: 'lstm', sizes: { hidden: 6 }, make: () => lstm(4, { hidden: 6, steps: 9 }) },
  { network: 'gpt', sizes: GPT, make: () => gpt(2, GPT) },
  { network: 'two_tower', sizes: TOWERS, make: () => twoTower(8, TOWERS) },
]

const STEPS = 6
const TOLERANCE = 2e-5

const python = findPython()

describe.skipIf(python === null)('PyTorch trains the same', () => {
  if (python === null) return
  const folder = mkdtempSync(path.join(tmpdir(), 'tessera-workloads-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const problems: Training[] = []
  let answers: { losses: number[] }[] = []

  beforeAll(async () => {
    manualSeed(31)
    const cases = []
    for (const { network, make, sizes = {} } of CASES) {
      const problem = make()
      problems.push(problem)
      const tensors = {
        ...Object.fromEntries(
          Object.entries(problem.model.stateDict()).map(([name, x]) => [`state.${name}`, x]),
        ),
        ...Object.fromEntries(problem.data.map((x, i) => [`input.${i}`, x])),
      }
      await io.saveSafetensors(path.join(folder, network), tensors)
      cases.push({ kind: 'workload', network, sizes, file: network, steps: STEPS })
    }
    answers = askPython(python, 'torch_training.py', { folder, cases })
  }, 120_000)

  test.each(CASES.map(({ network }, i) => [network, i] as const))('%s', (_, i) => {
    const step = training('compile', problems[i]!)
    for (const [k, expected] of answers[i]!.losses.entries()) {
      expect(Math.abs(step() - expected) / expected, `loss ${k}`).toBeLessThanOrEqual(TOLERANCE)
    }
  })
})
