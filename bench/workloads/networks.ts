// Small networks on images.

import { nn, optim, rand } from 'tessera'
import { classifying, type Training } from './workload.js'

/** Linear 128, ReLU, dropout, linear 10, on 784 pixels; Adam. */
export function mlp(batch: number, dropout = 0.2): Training {
  const model = new nn.Sequential(
    new nn.Linear(784, 128),
    new nn.ReLU(),
    new nn.Dropout(dropout),
    new nn.Linear(128, 10),
  )
  return classifying(model, new optim.Adam(model.parameters()), rand([batch, 784]))
}

/** Conv 32 3x3, ReLU, max-pool 2, linear 10; SGD with momentum. */
export function mnistCnn(batch: number): Training {
  const model = new nn.Sequential(
    new nn.Conv2d(1, 32, 3),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(32 * 13 * 13, 10),
  )
  const sgd = new optim.SGD(model.parameters(), { lr: 1e-3, momentum: 0.9 })
  return classifying(model, sgd, rand([batch, 1, 28, 28]))
}

/** Conv 32, pool, conv 64, pool, conv 64, linear 64, linear 10; Adam. */
export function cifarCnn(batch: number): Training {
  const model = new nn.Sequential(
    new nn.Conv2d(3, 32, 3),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(32, 64, 3),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(64, 64, 3),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Linear(1024, 64),
    new nn.ReLU(),
    new nn.Linear(64, 10),
  )
  return classifying(model, new optim.Adam(model.parameters()), rand([batch, 3, 32, 32]))
}
