// The layering check, on small made-up sources.

import { describe, expect, test } from 'vitest'
import { checkLayers, importsOf } from './layers.js'

const check = (files: Record<string, string>) =>
  checkLayers(new Map(Object.entries(files))).violations.map(
    (v) => `${v.file}:${v.line} ${v.message}`,
  )

describe('importsOf', () => {
  test('finds every form of import, its line and what is left of it at run time', () => {
    const text = [
      "import type { A } from './a.js'",
      "import { type B } from './b.js'",
      "import './c.js'",
      "export * from './d.js'",
      "export type { E } from './e.js'",
      "export { type F, g } from './f.js'",
      "const h = await import('./h.js')",
      "type I = import('./i.js').I",
      "import { type J, j } from './j.js'",
      "export const text = 'import x from y' // import './z.js'",
    ].join('\n')
    expect(importsOf('x.ts', text).map((i) => `${i.line} ${i.specifier} ${i.kind}`)).toEqual([
      '1 ./a.js type',
      '2 ./b.js type',
      '3 ./c.js value',
      '4 ./d.js value',
      '5 ./e.js type',
      '6 ./f.js value',
      '7 ./h.js dynamic',
      '8 ./i.js type',
      '9 ./j.js value',
    ])
  })

  test('names the file that it cannot parse', () => {
    expect(() => importsOf('bad.ts', 'import {')).toThrow(/bad\.ts/)
  })
})

describe('floors', () => {
  test('imports may go down, sideways and within a folder', () => {
    const files = {
      'index.ts': "export * from './tensor/index.js'\nexport * as nn from './nn/index.js'",
      'nn/index.ts': "export * from './linear.js'",
      'nn/linear.ts': "import '../tensor/index.js'\nimport '../data/loader.js'\nimport 'node:fs'",
      'data/loader.ts': "import { shape } from '../base/shape.js'",
      'tensor/index.ts': "import '../base/shape.js'",
      'base/shape.ts': 'export const shape = []',
    }
    expect(check(files)).toEqual([])
  })

  test('an import that goes up is refused, also one of a type', () => {
    const files = {
      'compiler/fuse.ts': "\nimport { emit } from '../backends/wasm/emit.js'",
      'backends/wasm/emit.ts': "import '../../compiler/fuse.js'",
      'base/shape.ts': "import type { Node } from '../ir/node.js'",
      'ir/node.ts': "import { tensor } from '../index.js'",
      'index.ts': '',
    }
    expect(check(files)).toEqual([
      'compiler/fuse.ts:2 compiler/ imports ../backends/wasm/emit.js from backends/, which is a floor above',
      'base/shape.ts:1 base/ imports ../ir/node.js from ir/, which is a floor above',
      'ir/node.ts:1 ir/ imports ../index.js from the public face, which is a floor above',
    ])
  })

  test('a folder on no floor is refused', () => {
    expect(check({ 'utils/misc.ts': '' })).toEqual([
      'utils/:1 utils/ stands on no floor: add it to FLOORS in scripts/layers.ts',
    ])
  })

  test("the package's own name and files outside src/ are refused", () => {
    const files = {
      'nn/a.ts': "import { tensor } from 'tessera'\nimport '../../test/helpers.js'",
      'nn/a.test.ts': "import '../../test/helpers.js'",
    }
    expect(check(files)).toEqual([
      'nn/a.ts:1 imports tessera: inside src/, use relative paths',
      'nn/a.ts:2 imports ../../test/helpers.js, outside src/',
    ])
  })
})

describe('cycles', () => {
  test('folders of one floor may not import each other in a circle', () => {
    const files = {
      'nn/a.ts': "import '../optim/a.js'",
      'optim/a.ts': "import '../data/a.js'",
      'data/a.ts': '',
      'data/b.ts': "import '../nn/b.js'",
      'nn/b.ts': '',
    }
    expect(check(files)).toEqual(['data/b.ts:1 folder cycle: data -> nn -> optim -> data'])
  })

  test('neither may folders of the compiler and files beside them; there types count', () => {
    const files = {
      'compiler/compile.ts': "import './lower/a.js'\nimport './fuse/a.js'",
      'compiler/lower/a.ts': "import './reduce/b.js'\nimport '../costs.js'",
      'compiler/lower/reduce/b.ts': "import type { A } from '../a.js'\nimport '../../fuse/a.js'",
      'compiler/fuse/a.ts': "import type { Chain } from '../chain.js'\nimport '../costs.js'",
      'compiler/chain.ts': "import type { B } from './lower/reduce/b.js'",
      'compiler/costs.ts': '',
      'compiler/costs.test.ts': "import './compile.js'",
    }
    expect(check(files)).toEqual([
      'compiler/chain.ts:1 folder cycle: compiler/chain.ts -> compiler/lower -> compiler/fuse -> compiler/chain.ts',
    ])
  })

  test('files may not import each other in a circle', () => {
    const files = {
      'ir/a.ts': "import './b.js'",
      'ir/b.ts': "\nimport './c.js'",
      'ir/c.ts': "import './b.js'",
      'ir/self.ts': "import './self.js'",
    }
    expect(check(files)).toEqual([
      'ir/b.ts:2 import cycle: ir/b.ts -> ir/c.ts -> ir/b.ts',
      'ir/self.ts:1 import cycle: ir/self.ts -> ir/self.ts',
    ])
  })

  test('types and dynamic imports make no cycle', () => {
    const files = {
      'ir/a.ts': "import type { B } from './b.js'",
      'ir/b.ts': "import { a } from './a.js'\nimport './c.js'",
      'ir/c.ts': "export const later = () => import('./b.js')",
    }
    expect(check(files)).toEqual([])
  })
})
