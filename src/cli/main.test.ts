import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { currentDeviceName } from '../runtime/devices.js'
import '../tensor/tensor.js'
import { main } from './main.js'

const folder = mkdtempSync(path.join(tmpdir(), 'tessera-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const status = await main(args, {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  })
  return { status, out, err }
}

describe('tessera', () => {
  test('info shows every device, and which one is used', async () => {
    const { status, out } = await run('info')
    expect(status).toBe(0)
    expect(out).toMatch(/^tessera \d+\.\d+\.\d+\nNode\.js v/)
    expect(out).toMatch(/^ {2}[*x-] reference {2}/m)
    expect(out.match(/^ {2}\* /gm)?.length).toBe(1)
    expect(out).toMatch(/^In use: \w+, .*; \d+ threads?$/m)
  })

  test('examples lists what can be run, with commands, and copies it', async () => {
    const { status, out } = await run('examples')
    expect(status).toBe(0)
    expect(out).toContain('mnist\n  Trains a convolutional network')
    expect(out).toContain('npm start')
    expect(out).not.toContain('progress')
    const copy = path.join(folder, 'copy')
    expect((await run('examples', '--copy', copy)).status).toBe(0)
    expect(readdirSync(copy)).toContain('mnist.ts')
    const again = await run('examples', '--copy', copy)
    expect([again.status, again.out]).toEqual([2, ''])
    expect(again.err).toContain('tessera: ')
  })

  test('profile runs a script, shows its kernels, and writes a trace', async () => {
    const script = path.join(folder, 'script.ts')
    const trace = path.join(folder, 'trace.json')
    const out = path.join(folder, 'out.json')
    writeFileSync(
      script,
      `import { writeFileSync } from 'node:fs'
import { rand } from 'tessera'
const x = rand([64, 64])
for (let i = 0; i < 5; i++) x.matmul(x).sum().item()
writeFileSync(process.argv[2], JSON.stringify(process.argv.slice(3)))
process.exit(3)`,
    )
    const main = path.join(import.meta.dirname, 'index.ts')
    const args = ['profile', '--trace', trace, script, out, '--trace', 'mine']
    const { status, stderr } = spawnSync(
      process.execPath,
      [path.join(import.meta.dirname, '../../scripts/run.mjs'), main, ...args],
      { encoding: 'utf8' },
    )
    expect(stderr).toMatch(/^kernel +calls +ms/m)
    if (currentDeviceName() !== 'reference') expect(stderr).toContain('dot [64,64]x[64,64]')
    expect(status).toBe(3)
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(['--trace', 'mine'])
    const { traceEvents } = JSON.parse(readFileSync(trace, 'utf8'))
    expect(traceEvents.length).toBeGreaterThan(0)
  })

  test('profile says what it wants', async () => {
    expect((await run('profile')).err).toContain('profile: Expected a script. Received none.')
    expect((await run('profile', 'nowhere.js')).err).toContain('Received nowhere.js')
    expect((await run('profile', '--nope', 'x.js')).status).toBe(2)
  })

  test('help, and its version', async () => {
    expect((await run()).out).toBe((await run('help')).out)
    expect((await run('info', '--help')).out).toContain('usage: tessera COMMAND')
    expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  test('says what it expected', async () => {
    expect(await run('train')).toEqual({
      status: 2,
      out: '',
      err: 'tessera: Expected one command of info, examples, help, profile. Received train.\n',
    })
    expect((await run('info', 'more')).status).toBe(2)
    expect((await run('constructor')).status).toBe(2)
    const { status, err } = await run('--nope')
    expect(status).toBe(2)
    expect(err).toContain("Unknown option '--nope'")
  })
})
