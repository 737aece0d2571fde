// The package in a browser: a bundle asks for nothing that only Node.js has, and computes without it.

import vm from 'node:vm'
import { type OutputChunk, rolldown } from 'rolldown'
import { expect, test } from 'vitest'
import { ROOT } from '../scripts/bundle.mjs'

/** The sources as one script, as a web page has it. */
async function bundleForBrowsers(): Promise<OutputChunk> {
  const build = await rolldown({
    cwd: ROOT,
    input: 'src/index.ts',
    platform: 'browser',
    tsconfig: false,
    transform: { define: { 'import.meta.url': '"https://example.org/tessera.js"' } },
  })
  const { output } = await build.generate({ format: 'iife', name: 'tessera' })
  await build.close()
  expect(output.length).toBe(1)
  return output[0]
}

test('runs in a browser, where there is no Node.js', async () => {
  const { code, imports, dynamicImports } = await bundleForBrowsers()
  expect(imports).toEqual([])
  expect(dynamicImports).toEqual([])
  const page = vm.createContext({ performance, console, TextEncoder, TextDecoder })
  vm.runInContext(code, page)
  const run = (text: string): unknown =>
    JSON.parse(vm.runInContext(`JSON.stringify(${text})`, page))
  expect(run('tessera.tensor([1, 2, 3]).mul(2).array()')).toEqual([2, 4, 6])
  expect(run('tessera.currentDeviceName()')).toBe('wasm')
  expect(run('tessera.deviceInfo()[0]')).toEqual({
    name: 'x64',
    available: false,
    detail: 'it needs Node.js',
  })
})
