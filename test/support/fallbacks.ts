// A training where something is missing that machine code needs: run by itself, with what is missing as
// its argument, it prints which device trained, why not the others, and how the loss fell, as JSON.

import { createRequire } from 'node:module'
import { currentDeviceName, deviceInfo, nn, optim, tensor } from 'tessera'
import { koffi } from '../../src/backends/x64/native/koffi.js'
import { deny, ERRNO } from '../../src/backends/x64/native/libc.js'
import { trainCompiled, trainEagerly } from './styles.js'

interface Resolver {
  _resolveFilename(name: string, ...rest: unknown[]): string
}

const PR_SET_MDWE = 65

/** What can be taken away. Each answers whether it could be. */
const MISSING: Readonly<Record<string, () => boolean>> = {
  nothing: () => true,
  koffi() {
    const modules = createRequire(import.meta.url)('node:module') as Resolver
    const resolve = modules._resolveFilename
    modules._resolveFilename = function (name, ...rest) {
      if (name === 'koffi') throw Object.assign(new Error('none'), { code: 'MODULE_NOT_FOUND' })
      return resolve.call(this, name, ...rest)
    }
    return true
  },
  architecture() {
    Object.defineProperty(process, 'arch', { value: 'arm64' })
    return true
  },
  mprotect() {
    deny('mprotect', ERRNO.EACCES)
    return true
  },
  /** Memory that was writable never becomes executable, for the whole process; Linux 6.3 and newer. */
  'executable memory'() {
    const prctl = koffi()
      .load('libc.so.6')
      .func('int prctl(int option, ulong a, ulong b, ulong c, ulong d)')
    return prctl(PR_SET_MDWE, 1, 0, 0, 0) === 0
  },
}

/** Fits a line; the loss at first and in the end. */
function fitLine(): [number, number] {
  const line = new nn.Linear(1, 1)
  const opt = new optim.SGD(line.parameters(), { lr: 0.1 })
  const x = tensor([[-1], [0.5], [1], [2]])
  const loss = () => line.call(x).sub(x.mul(3).add(1)).square().mean()
  const before = loss().item() as number
  for (let i = 0; i < 60; i++) {
    opt.zeroGrad()
    loss().backward()
    opt.step()
  }
  return [before, loss().item() as number]
}

const [what = 'nothing', steps = '20'] = process.argv.slice(2)
const taken = MISSING[what]!()
const training = { model: 'mlp', algorithm: 'Adam', steps: Number(steps) } as const
const digests = taken ? [trainCompiled(training), trainEagerly(training)] : []
const losses = taken ? fitLine() : [0, 0]
const devices = Object.fromEntries(deviceInfo().map((d) => [d.name, d]))
console.log(JSON.stringify({ taken, used: currentDeviceName(), devices, digests, losses }))
