// The process that browsers are compared with, when it ends too early.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { NodeProcess } from './support/node.js'

const folder = mkdtempSync(path.join(tmpdir(), 'tessera-node-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('calls of a process that ended are refused, those under way and later ones', async () => {
  const file = path.join(folder, 'module.mjs')
  writeFileSync(
    file,
    'export const add = (a, b) => a + b\nexport const end = () => process.exit(3)\n',
  )
  const node = new NodeProcess<{ add(a: number, b: number): number; end(): void }>(file, {})
  expect(await node.module.add(1, 2)).toBe(3)
  await expect(node.module.end()).rejects.toThrow('Node.js ended with 3')
  await expect(node.module.add(1, 2)).rejects.toThrow('Node.js ended with 3')
})
