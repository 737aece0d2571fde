// The workloads that tessera and its peers are measured on: same names, shapes, losses, optimizers.

import { rand } from 'tessera'
import { gpt } from './gpt.js'
import { lstm } from './lstm.js'
import { cifarCnn, mlp, mnistCnn } from './networks.js'
import { OPERATIONS } from './operations.js'
import { resnet18, resnet18Cifar } from './resnet.js'
import { twoTower } from './retrieval.js'
import { inference, type Training, training, type Workload } from './workload.js'

export type { Mode, Workload } from './workload.js'

const trained =
  (make: () => Training): Workload =>
  (mode) =>
    training(mode, make())

export const WORKLOADS: Readonly<Record<string, Workload>> = {
  ...OPERATIONS,
  mlp_b32: trained(() => mlp(32)),
  mlp_b512: trained(() => mlp(512)),
  mnist_cnn_b32: trained(() => mnistCnn(32)),
  cifar_cnn_b64: trained(() => cifarCnn(64)),
  resnet18_cifar_b16: trained(() => resnet18Cifar(16)),
  resnet18_cifar_infer_b1: (mode) => inference(mode, resnet18(), rand([1, 3, 32, 32])),
  lstm_b32: trained(() => lstm(32)),
  gpt_b8: trained(() => gpt(8)),
  embedding_bag_two_tower_b4096: trained(() => twoTower(4096)),
}
