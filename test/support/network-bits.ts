// Trains every kind of network for some steps and prints the losses to the last bit, as JSON.

import { currentDeviceName, getNumThreads, manualSeed } from 'tessera'
import { gpt } from '../../bench/workloads/gpt.js'
import { lstm } from '../../bench/workloads/lstm.js'
import { cifarCnn, mlp, mnistCnn } from '../../bench/workloads/networks.js'
import { resnet18Cifar } from '../../bench/workloads/resnet.js'
import { twoTower } from '../../bench/workloads/retrieval.js'
import { type Training, training } from '../../bench/workloads/workload.js'

/** Large enough that threads share their kernels. */
const NETWORKS: Readonly<Record<string, () => Training>> = {
  mlp: () => mlp(64),
  mnistCnn: () => mnistCnn(8),
  cifarCnn: () => cifarCnn(4),
  resnet18: () => resnet18Cifar(2, [8, 16]),
  lstm: () => lstm(32, { hidden: 50, steps: 12 }),
  gpt: () => gpt(3, { vocabulary: 61, context: 40, width: 64, heads: 4, layers: 2 }),
  twoTower: () => twoTower(256, { users: 300, items: 200, width: 32 }),
}
const STEPS = 4

const losses: Record<string, number[]> = {}
for (const [name, make] of Object.entries(NETWORKS)) {
  manualSeed(7)
  const step = training('compile', make())
  losses[name] = Array.from({ length: STEPS }, step)
}
console.log(JSON.stringify({ device: currentDeviceName(), threads: getNumThreads(), losses }))
