// What devices are told when a plan is built is what happens when it runs for the first time: for which
// outputs there are arrays already.

import { compile, ones, type Tensor, variable } from 'tessera'
import { Graph, Session } from 'tessera/graph'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Device, Executable } from '../src/backends/device.js'
import { currentDevice } from '../src/runtime/devices.js'

/** For each plan that is built and run from now on: what was said, and what was the case in its first run. */
function watch(): { said: boolean[]; found: boolean[] }[] {
  const plans: { said: boolean[]; found: boolean[] }[] = []
  const device: Device = currentDevice()
  const build = device.build.bind(device)
  vi.spyOn(device, 'build').mockImplementation((program, supplied) => {
    const plan: Executable = build(program, supplied)
    const run = plan.run.bind(plan)
    let first = true
    plan.run = (inputs, targets) => {
      const outputs = program.outputs.map((_, j) => j)
      if (first) {
        plans.push({
          said: outputs.map((j) => supplied?.(j) ?? false),
          found: outputs.map((j) => (targets[j]?.host ?? null) !== null),
        })
      }
      first = false
      return run(inputs, targets)
    }
    return plan
  })
  return plans
}

/** Each plan was told the truth; of some updates, first none and then all had a place to go to. */
function expectTold(plans: ReturnType<typeof watch>): void {
  for (const { said, found } of plans) expect(said).toEqual(found)
  expect(plans.some(({ found }) => found.includes(true))).toBe(true)
  expect(plans[0]!.found).not.toContain(true)
}

describe('devices are told of targets', () => {
  afterEach(() => void vi.restoreAllMocks())

  it('by compiled functions', () => {
    const v = variable([1, 2, 3])
    const step = compile((x: Tensor) => {
      v.assign(v.add(x.sum()))
      return [x.add(1), v.mul(2)]
    })
    const [three, four] = [ones([3]).realize(), ones([4]).realize()]
    const plans = watch()
    for (const x of [three, three, four]) for (const y of step(x)) y.dataSync()
    expectTold(plans)
  })

  it('by eager assignments', () => {
    const v = variable([1, 2, 3])
    const plans = watch()
    for (let i = 0; i < 3; i++) {
      v.assign(v.mul(i === 2 ? v : 3))
      expect(v.dataSync().length).toBe(3)
    }
    expectTold(plans)
  })

  it('by sessions', () => {
    const g = new Graph()
    const v = g.variable([1, 2, 3], { name: 'v' })
    const [more, triple] = [v.assignAdd([1, 1, 1]), v.assign(v.mul(3))]
    using session = new Session(g)
    const plans = watch()
    session.run(g.globalVariablesInitializer())
    session.run([v, more])
    session.run([v, triple])
    expectTold(plans)
  })
})
