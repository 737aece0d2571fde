// All instructions by mnemonic.

import { COMPARE } from './compare.js'
import { CONVERT } from './convert.js'
import { FLOAT } from './float.js'
import { GENERAL } from './general.js'
import { INTEGER } from './integer.js'
import { MASK } from './mask.js'
import { PERMUTE } from './permute.js'
import { X87 } from './x87.js'

export const TABLE = {
  ...GENERAL,
  ...FLOAT,
  ...CONVERT,
  ...COMPARE,
  ...INTEGER,
  ...PERMUTE,
  ...MASK,
  ...X87,
} as const

export { FLOAT_PREDICATES, INTEGER_PREDICATES } from './compare.js'
export type { Condition } from './general.js'
