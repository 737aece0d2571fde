// Processes with a team: they end in every way, share it between JavaScript threads, and do without it.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { canRun } from '../harness.js'

const root = path.resolve(import.meta.dirname, '../../../..')
mkdirSync(path.join(root, '.cache'), { recursive: true })
const dir = mkdtempSync(path.join(root, '.cache', 'x64-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const x64 = `${root}/src/backends/x64`
const HEAD = `
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { X64Device, x64Available } from '${x64}/device.js'
import { emitByHand, pingPong, ports } from '${x64}/harness.js'
import { Arrays } from '${x64}/native/arrays.js'
import { Pages } from '${x64}/native/pages.js'
import { mayRunAside } from '${x64}/threads/aside.js'
import { populate } from '${x64}/threads/populate.js'
import { Storage } from '${root}/src/backends/storage.js'

const N = 30_000
const make = (threads: number) => {
  const device = new X64Device({ threads, emit: emitByHand })
  const plan = device.buildPlan(pingPong(N, 6), ports(N))
  const x = Storage.of('float32', new Float32Array(N).fill(1))
  const run = () => plan.run([x], [null])[0].read()[7]
  return { device, run }
}
const worker = () => new Worker(process.argv[1])
const message = (w: Worker) => new Promise((resolve) => w.once('message', resolve))
const said = (text: string) => console.log(text)
`

let count = 0
function child(body: string, env: Record<string, string> = {}, options: string[] = []) {
  const file = path.join(dir, `child${count++}.ts`)
  writeFileSync(file, HEAD + body)
  const args = [path.join(root, 'scripts/run.mjs'), ...options, file]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: 30_000,
    env: { ...process.env, ...env },
  })
  return { stdout, stderr, status }
}

/** 1.5 to the sixth. */
const RESULT = 11.390625
const READY = `
const { device, run } = make(3)
while (device.listening < 2) run()
for (let i = 0; i < 100; i++) run()
said('ran ' + run())
`

describe.skipIf(!canRun())('a process with threads', () => {
  test.each([
    ['that ends', '', 0],
    ['that exits', 'process.exit(7)', 7],
    [
      'that exits while a timer runs',
      'setInterval(() => run(), 1); setTimeout(() => process.exit(3), 50)',
      3,
    ],
    ['that throws', "throw new Error('on purpose')", 1],
    ['whose promise is rejected', "void Promise.reject(new Error('on purpose'))", 1],
  ])('%s', (_, end, code) => {
    const { stdout, status } = child(READY + end)
    expect(stdout).toBe(`ran ${RESULT}\n`)
    expect(status).toBe(code)
  })

  test('that is ended by a signal, which threads do not take', () => {
    const { stdout, status } = child(`${READY}
process.on('SIGUSR2', () => {
  said('handled')
  process.exit(5)
})
process.kill(process.pid, 'SIGUSR2')
setInterval(() => run(), 1)
`)
    expect(stdout).toBe(`ran ${RESULT}\nhandled\n`)
    expect(status).toBe(5)
  })

  test('shares them between JavaScript threads', () => {
    const { stdout, stderr, status } = child(`
const { device, run } = make(3)
let right = 0
for (let i = 0; i < 500; i++) if (run() === ${RESULT}) right++
if (isMainThread) {
  const others = [worker(), worker()]
  const answers = Promise.all(others.map(message))
  for (let i = 0; i < 500; i++) if (run() === ${RESULT}) right++
  said([right, ...(await answers), device.listening].join())
} else parentPort.postMessage(right)
`)
    expect(stderr).toBe('')
    expect(stdout).toBe('1000,500,500,2\n')
    expect(status).toBe(0)
  })

  test('goes on when JavaScript threads are terminated', () => {
    const { stdout, stderr, status } = child(`
const { device, run } = make(3)
if (isMainThread) {
  let right = 0
  // The first worker creates the threads: they outlive it.
  for (let i = 0; i < 4; i++) {
    const w = worker()
    await message(w)
    await w.terminate()
    for (let i = 0; i < 200; i++) if (run() === ${RESULT}) right++
  }
  said(right + ' ' + device.listening)
} else {
  run()
  parentPort.postMessage('runs')
  for (;;) run()
}
`)
    expect(stderr).toBe('')
    expect(stdout).toBe('800 2\n')
    expect(status).toBe(0)
  })

  test('runs nothing aside whose memory may go at any time', () => {
    const { stdout, stderr, status } = child(`
if (isMainThread) said(mayRunAside() + ' ' + (await message(worker())))
else parentPort.postMessage(mayRunAside())
`)
    expect(stderr).toBe('')
    expect(stdout).toBe('true false\n')
    expect(status).toBe(0)
  })

  test('exits while other JavaScript threads compute', () => {
    const { stdout, stderr, status } = child(`
const { run } = make(3)
if (isMainThread) {
  await Promise.all([worker(), worker()].map(message))
  for (let i = 0; i < 100; i++) run()
  said('ran ' + run())
  process.exit(4)
} else {
  run()
  parentPort.postMessage('runs')
  for (;;) run()
}
`)
    expect([stdout, stderr, status]).toEqual([`ran ${RESULT}\n`, '', 4])
  })

  test.each([
    ['ends', '', 0],
    ['exits', 'process.exit(7)', 7],
    ['throws', "throw new Error('on purpose')", 1],
  ])('%s while memory gets its pages', (_, end, code) => {
    const { stdout, status } = child(`
populate([Pages.map(1 << 28, 'a test')])
said('begun')
${end}
`)
    expect([stdout, status]).toEqual(['begun\n', code])
  })

  test('goes on when JavaScript threads are terminated while memory gets its pages', () => {
    const { stdout, stderr, status } = child(`
const { run } = make(2)
if (isMainThread) {
  for (let i = 0; i < 4; i++) {
    const w = worker()
    await message(w)
    await w.terminate()
  }
  said('ran ' + run())
} else {
  // Arrays are given back with their thread, pages stay mapped.
  const { array, address } = new Arrays().make('uint8', 1 << 26)
  populate([{ address, bytes: array.length }, Pages.map(1 << 26, 'a test')])
  parentPort.postMessage('begun')
  for (;;) run()
}
`)
    expect([stdout, stderr, status]).toEqual([`ran ${RESULT}\n`, '', 0])
  })

  test('may use one processor only, and have threads beyond it', () => {
    const body = `
const { run } = make(4)
for (let i = 0; i < 300; i++) run()
said('ran ' + run())
`
    const file = path.join(dir, 'pinned.ts')
    writeFileSync(file, HEAD + body)
    const args = ['-c', '0', process.execPath, path.join(root, 'scripts/run.mjs'), file]
    const pinned = spawnSync('taskset', args, { encoding: 'utf8', timeout: 30_000 })
    // No taskset: nothing to see.
    if (pinned.error) return
    expect(pinned.stdout).toBe(`ran ${RESULT}\n`)
  })
})

describe('a process without', () => {
  const INFO = 'const { available, detail } = x64Available(); said(available + ": " + detail)'

  test('koffi says so', () => {
    const hook = path.join(dir, 'no-koffi.cjs')
    writeFileSync(
      hook,
      `const Module = require('node:module')
const resolve = Module._resolveFilename
Module._resolveFilename = function (name, ...rest) {
  if (name === 'koffi') throw Object.assign(new Error('no koffi'), { code: 'MODULE_NOT_FOUND' })
  return resolve.call(this, name, ...rest)
}`,
    )
    const { stdout, status } = child(INFO, {}, [`--require=${hook}`])
    expect(stdout).toMatch(/^false: .*koffi is not installed/)
    expect(status).toBe(0)
  })

  test('a processor it may use says so', () => {
    expect(child(INFO, { TESSERA_CPU: 'none' }).stdout).toMatch(/^false: .*TESSERA_CPU=none/)
  })

  test.skipIf(!canRun())('AVX-512, by its own wish', () => {
    const env = { TESSERA_CPU: 'avx2', TESSERA_THREADS: '3' }
    expect(child(INFO, env).stdout).toBe('true: AVX2 with FMA, 3 threads\n')
  })

  test.skipIf(!canRun())('the right to executable memory says so', () => {
    const { stdout, status } = child(`
import { koffi } from '${x64}/native/koffi.js'
const prctl = koffi().load('libc.so.6').func('int prctl(int option, ulong a, ulong b, ulong c, ulong d)')
// PR_SET_MDWE, of Linux 6.3: memory that was writable never becomes executable.
said(prctl(65, 1, 0, 0, 0) === 0 ? 'denied' : 'not here')
${INFO}
`)
    if (!stdout.startsWith('not here')) {
      expect(stdout).toMatch(/^denied\nfalse: .*EACCES from mprotect/)
    }
    expect(status).toBe(0)
  })
})
