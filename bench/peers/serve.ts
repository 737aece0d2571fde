// tessera as one of the peers: answers requests on stdin until it ends.

import { createInterface } from 'node:readline'
import { currentDeviceName, manualSeed, setDevice, setNumThreads } from 'tessera'
import { version } from '../../src/cli/package.js'
import { digits, measured } from '../timing.js'
import { type Mode, WORKLOADS } from '../workloads/index.js'
import { type Answer, type Greeting, type Prepare, STEPS_TO_CHECK, type Time } from './protocol.js'

const say = (answer: Greeting | Answer<Prepare | Time>): void => {
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}

/** Serves the workloads in a mode, on a device (empty: the one that would be taken anyway). */
export async function serve(mode: Mode, device: string, threads: number): Promise<void> {
  if (device !== '') setDevice(device)
  setNumThreads(threads)
  manualSeed(0)
  let step: () => unknown = () => {
    throw new Error('no workload was prepared')
  }

  const prepare = (workload: string): Answer<Prepare> => {
    step = (WORKLOADS[workload] as (typeof WORKLOADS)[string])(mode)
    const start = performance.now()
    const loss = step()
    const first_s = digits((performance.now() - start) / 1e3, 4)
    if (typeof loss !== 'number') return { first_s }
    const more = Array.from({ length: STEPS_TO_CHECK - 1 }, () => step() as number)
    return { first_s, losses: [loss, ...more].map((x) => digits(x, 5)) }
  }

  const workloads = Object.keys(WORKLOADS)
  say({ version: `${await version()} ${currentDeviceName()}`, workloads })
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      const request = JSON.parse(line) as Prepare | Time
      say(
        request.do === 'prepare'
          ? prepare(request.workload)
          : await measured(step, request.seconds),
      )
    } catch (error) {
      say({ error: String(error).split('\n', 1)[0] as string })
    }
  }
}
