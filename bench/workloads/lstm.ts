// Forecasting a series: two LSTM layers, and a linear one on the last step.

import { F, nn, optim, rand, type Tensor } from 'tessera'
import type { Training } from './workload.js'

class Forecast extends nn.Module {
  readonly lstm: nn.LSTM
  readonly out: nn.Linear

  constructor(hidden: number) {
    super()
    this.lstm = new nn.LSTM(1, hidden, { numLayers: 2, batchFirst: true })
    this.out = new nn.Linear(hidden, 1)
  }

  forward(x: Tensor): Tensor {
    const [states] = this.lstm.call(x)
    return this.out.call(states.select(1, -1))
  }
}

/** Mean squared error of a value that follows 100 others; Adam. */
export function lstm(batch: number, { hidden = 50, steps = 100 } = {}): Training {
  const model = new Forecast(hidden)
  return {
    model,
    optimizer: new optim.Adam(model.parameters()),
    data: [rand([batch, steps, 1]), rand([batch, 1])],
    loss: (x, y) => F.mseLoss(model.call(x as Tensor), y as Tensor),
  }
}
