// Training that is stopped, written down, and taken up again is the training that was never stopped.

import { describe, expect, test } from 'vitest'
import {
  data,
  io,
  manualSeed,
  nn,
  optim,
  randn,
  randomState,
  setRandomState,
} from '../src/index.js'

/** A network that drops, batches in random order, an optimizer that remembers. */
function training() {
  const net = new nn.Sequential(
    new nn.Linear(6, 12),
    new nn.ReLU(),
    new nn.Dropout(0.4),
    new nn.Linear(12, 2),
  )
  const optimizer = new optim.AdamW(net.parameters(), { lr: 0.02 })
  const epoch = (examples: data.TensorDataset): void => {
    for (const [x, y] of new data.DataLoader(examples, { batchSize: 5, shuffle: true })) {
      optimizer.zeroGrad()
      net.call(x!).sub(y!).square().mean().backward()
      optimizer.step()
    }
  }
  const weights = () => Object.values(net.stateDict()).map((w) => Array.from(w.dataSync(), Number))
  return { net, optimizer, epoch, weights }
}

describe('a checkpoint', () => {
  manualSeed(5)
  const examples = new data.TensorDataset(randn([23, 6]), randn([23, 2]))

  test('takes training up to the bit', () => {
    manualSeed(11)
    const straight = training()
    straight.epoch(examples)
    const bytes = io.encodeSafetensors(straight.net.stateDict())
    const optimizer = straight.optimizer.stateDict()
    const random = JSON.stringify(randomState())
    straight.epoch(examples)

    manualSeed(99)
    const resumed = training()
    resumed.net.loadStateDict(io.decodeSafetensors(bytes))
    resumed.optimizer.loadStateDict(optimizer)
    setRandomState(JSON.parse(random))
    resumed.epoch(examples)
    expect(resumed.weights()).toEqual(straight.weights())
  })

  test('without the random state is another training', () => {
    manualSeed(11)
    const a = training()
    const start = io.encodeSafetensors(a.net.stateDict())
    a.epoch(examples)
    const b = training()
    b.net.loadStateDict(io.decodeSafetensors(start))
    b.epoch(examples)
    expect(b.weights()).not.toEqual(a.weights())
  })
})
