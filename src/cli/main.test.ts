import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
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

  test('help, and its version', async () => {
    expect((await run()).out).toBe((await run('help')).out)
    expect((await run('info', '--help')).out).toContain('usage: tessera COMMAND')
    expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  test('says what it expected', async () => {
    expect(await run('train')).toEqual({
      status: 2,
      out: '',
      err: 'tessera: Expected one command of info, examples, help. Received train.\n',
    })
    expect((await run('info', 'more')).status).toBe(2)
    expect((await run('constructor')).status).toBe(2)
    const { status, err } = await run('--nope')
    expect(status).toBe(2)
    expect(err).toContain("Unknown option '--nope'")
  })
})
