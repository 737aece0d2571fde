// A few steps of training of every kind of network, whose losses tell whether two machines compute alike.

import { manualSeed } from 'tessera'
import { gpt } from '../../bench/workloads/gpt.js'
import { lstm } from '../../bench/workloads/lstm.js'
import { cifarCnn, mlp, mnistCnn } from '../../bench/workloads/networks.js'
import { resnet18Cifar } from '../../bench/workloads/resnet.js'
import { twoTower } from '../../bench/workloads/retrieval.js'
import { type Mode, type Training, training } from '../../bench/workloads/workload.js'

/** Large enough that threads share their kernels. */
const NETWORKS = {
  mlp: () => mlp(64),
  mnistCnn: () => mnistCnn(8),
  cifarCnn: () => cifarCnn(4),
  resnet18: () => resnet18Cifar(2, [8, 16]),
  lstm: () => lstm(32, { hidden: 50, steps: 12 }),
  gpt: () => gpt(3, { vocabulary: 61, context: 40, width: 64, heads: 4, layers: 2 }),
  twoTower: () => twoTower(256, { users: 300, items: 200, width: 32 }),
} as const satisfies Readonly<Record<string, () => Training>>

export type Network = keyof typeof NETWORKS
export const NETWORK_NAMES = Object.keys(NETWORKS) as Network[]

/** The losses of a network's first steps, from the same weights and on the same data each time. */
export function lossesOf(name: Network, steps = 4, mode: Mode = 'compile'): number[] {
  manualSeed(7)
  const step = training(mode, NETWORKS[name]())
  return Array.from({ length: steps }, step)
}
