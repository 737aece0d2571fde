// The optimizer is put off while plans are built, and always let back in.

import v8 from 'node:v8'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { unoptimized } from './unoptimized.js'

let flags: string[] = []
beforeEach(() => {
  flags = []
  vi.spyOn(v8, 'setFlagsFromString').mockImplementation((flag) => void flags.push(flag))
})
afterEach(() => vi.restoreAllMocks())

test('is off while something is built, and on again afterwards', () => {
  const during = unoptimized(() => flags.slice())
  expect([during, flags]).toEqual([['--no-opt'], ['--no-opt', '--opt']])
})

test('is on again after an error', () => {
  const fails = () => {
    throw new RangeError('no')
  }
  expect(() => unoptimized(fails)).toThrow(RangeError)
  expect(flags).toEqual(['--no-opt', '--opt'])
})

test('is turned off once where one thing is built for another', () => {
  expect(unoptimized(() => unoptimized(() => 7))).toBe(7)
  expect(flags).toEqual(['--no-opt', '--opt'])
})

test('stays as it is where somebody chose', () => {
  vi.stubEnv('NODE_OPTIONS', '--no-opt')
  expect(unoptimized(() => 7)).toBe(7)
  vi.unstubAllEnvs()
  expect(flags).toEqual([])
})
