// Two towers of embeddings, users and items, trained to find the pairs that belong together.

import { arange, F, nn, optim, randint, type Tensor } from 'tessera'
import type { Training } from './workload.js'

export interface TowerSizes {
  readonly users: number
  readonly items: number
  readonly width: number
}

const SIZES: TowerSizes = { users: 943, items: 1682, width: 32 }

class TwoTower extends nn.Module {
  readonly users: nn.Embedding
  readonly items: nn.Embedding

  constructor({ users, items, width }: TowerSizes) {
    super()
    this.users = new nn.Embedding(users, width)
    this.items = new nn.Embedding(items, width)
  }

  /** How well each user fits each item: [users, items]. */
  forward(users: Tensor, items: Tensor): Tensor {
    return this.users.call(users).matmul(this.items.call(items).transpose())
  }
}

/** Softmax over the items of the batch; Adam. */
export function twoTower(batch: number, sizes: TowerSizes = SIZES): Training {
  const model = new TwoTower(sizes)
  return {
    model,
    optimizer: new optim.Adam(model.parameters()),
    data: [randint(0, sizes.users, [batch]), randint(0, sizes.items, [batch])],
    loss: (users, items) =>
      F.crossEntropy(model.call(users as Tensor, items as Tensor), arange(batch)),
  }
}
