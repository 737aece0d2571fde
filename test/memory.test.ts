// Nobody frees tensors: loops written naively must not grow, whether or not they ever yield.

import { describe, expect, it } from 'vitest'
import { currentDeviceName, F, manualSeed, nn, optim, rand, randint, randn, type Tensor } from 'tessera'

/** The reference computes a step in milliseconds: it is given a hundredth of the work. */
const scale = currentDeviceName() === 'reference' ? 0.01 : 1
const steps = (n: number): number => Math.ceil(n * scale)

/** Resident size after collecting garbage. */
function resident(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().rss
}

/** Runs `step` and compares the resident size after a warm-up with the one at the end. */
async function growth(
  count: number,
  step: () => void,
  options: { readonly yields: boolean },
): Promise<{ warm: number; end: number }> {
  const warmUp = Math.ceil(count / 10)
  let warm = 0
  for (let i = 0; i < count; i++) {
    if (i === warmUp) warm = resident()
    step()
    if (options.yields && i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  return { warm, end: resident() }
}

function regression(): () => void {
  manualSeed(1)
  const net = new nn.Sequential(new nn.Linear(8, 16), new nn.ReLU(), new nn.Linear(16, 1))
  const opt = new optim.Adam(net.parameters())
  const x = randn([16, 8])
  return () => {
    opt.zeroGrad()
    const loss = net.call(x.add(0.1)).square().mean()
    loss.backward()
    opt.step()
    if (!Number.isFinite(loss.item())) throw new Error('the loss is not finite')
  }
}

function network(): () => void {
  manualSeed(1)
  const net = new nn.Sequential(
    new nn.Conv2d(1, 8, 3),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(8 * 13 * 13, 10),
  )
  const opt = new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9 })
  return () => {
    // A fresh batch every step, and results that are dropped without a thought.
    const x: Tensor = rand([16, 1, 28, 28])
    const y = randint(0, 10, [16])
    opt.zeroGrad()
    const logits = net.call(x)
    const loss = F.crossEntropy(logits, y)
    loss.backward()
    opt.step()
    logits.argmax(1).eq(y).sum().item()
  }
}

describe('resident memory', () => {
  for (const yields of [true, false]) {
    const how = yields ? 'that yields' : 'that never yields'
    it(`stays flat in 100,000 small steps of a loop ${how}`, { timeout: 180_000 }, async () => {
      const { warm, end } = await growth(steps(100_000), regression(), { yields })
      expect(end).toBeLessThan(warm * 1.1)
    })
    it(`stays flat in 1,000 steps of a convolutional loop ${how}`, { timeout: 180_000 }, async () => {
      const { warm, end } = await growth(steps(1000), network(), { yields })
      expect(end).toBeLessThan(warm * 1.1)
    })
  }
})
