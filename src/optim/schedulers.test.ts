import { expect, test } from 'vitest'
import { ones } from '../tensor/create.js'
import { Parameter } from '../tensor/variable.js'
import {
  CosineAnnealingLR,
  ExponentialLR,
  LambdaLR,
  type LRScheduler,
  MultiStepLR,
  SGD,
  StepLR,
} from './index.js'

const make = (...rates: number[]): SGD =>
  new SGD(rates.map((lr) => ({ params: [new Parameter(ones([1]))], lr })))

/** The first group's rates, as they are and after each of some epochs. */
function rates(scheduler: LRScheduler, epochs: number): number[] {
  const out = [scheduler.getLastLr()[0]!]
  for (let i = 0; i < epochs; i++) {
    scheduler.step()
    out.push(scheduler.getLastLr()[0]!)
  }
  return out
}

test('rates follow their schedules', () => {
  const close = (found: number[], expected: number[]): void => {
    found.forEach((v, i) => {
      expect(v).toBeCloseTo(expected[i]!, 12)
    })
    expect(found.length).toBe(expected.length)
  }
  close(rates(new StepLR(make(1), { stepSize: 2, gamma: 0.5 }), 4), [1, 1, 0.5, 0.5, 0.25])
  close(rates(new MultiStepLR(make(1), { milestones: [1, 3] }), 4), [1, 0.1, 0.1, 0.01, 0.01])
  close(rates(new ExponentialLR(make(8), { gamma: 0.5 }), 3), [8, 4, 2, 1])
  close(rates(new CosineAnnealingLR(make(2), { tMax: 4 }), 4), [
    2,
    1 + Math.SQRT1_2,
    1,
    1 - Math.SQRT1_2,
    0,
  ])
  close(rates(new LambdaLR(make(2), (epoch) => 1 / (epoch + 2)), 2), [1, 2 / 3, 0.5])
})

test('each group has its own', () => {
  const optimizer = make(1, 10)
  const scheduler = new LambdaLR(optimizer, [() => 1, (epoch) => epoch])
  expect(scheduler.getLastLr()).toEqual([1, 0])
  scheduler.step()
  expect(optimizer.paramGroups.map((g) => g.lr)).toEqual([1, 10])
  expect(() => new LambdaLR(optimizer, [() => 1])).toThrow(
    'LambdaLR: Expected a function for each of 2 groups. Received 1 functions.',
  )
})

test('a saved schedule goes on', () => {
  const scheduler = new ExponentialLR(make(1), { gamma: 0.5 })
  scheduler.step()
  scheduler.step()
  const other = new ExponentialLR(make(3), { gamma: 0.5 })
  other.loadStateDict(scheduler.stateDict())
  expect(other.lastEpoch).toBe(2)
  expect(other.getLastLr()).toEqual([0.25])
  other.step(0)
  expect(other.getLastLr()).toEqual([1])
  expect(() => new StepLR(make(1), { stepSize: 0 })).toThrow('StepLR: Expected stepSize above 0.')
})
