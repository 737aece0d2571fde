// Loops as people write them, without a thought for memory.

import { arange, F, manualSeed, nn, optim, rand, randint } from 'tessera'

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

/** Steps of training on ever new batches. */
export async function steps(count: number, how: 'yields' | 'never yields'): Promise<void> {
  manualSeed(5)
  const net = new nn.Sequential(new nn.Linear(784, 64), new nn.ReLU(), new nn.Linear(64, 10))
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9 })
  for (let i = 0; i < count; i++) {
    const x = rand([64, 784])
    const y = randint(0, 10, [64])
    optimizer.zeroGrad()
    const logits = net.call(x)
    F.crossEntropy(logits, y).backward()
    optimizer.step()
    logits.argmax(1).eq(y).sum().item()
    if (how === 'yields' && i % 10 === 9) await turn()
  }
}

/** Results of 4 MiB, of which the last few are kept. Gives their second elements. */
export async function large(count: number, how: 'yields' | 'never yields'): Promise<number[]> {
  const x = arange(1 << 20).cast('float32')
  const kept = []
  for (let i = 0; i < count; i++) {
    kept.push(x.mul(i).realize())
    if (kept.length > 5) kept.shift()
    if (how === 'yields' && i % 10 === 9) await turn()
  }
  return kept.map((y) => y.at([1]).item())
}
