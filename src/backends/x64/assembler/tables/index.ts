// All instructions by mnemonic.

import { FLOAT } from './float.js'
import { GENERAL } from './general.js'

export const TABLE = { ...GENERAL, ...FLOAT } as const

export type { Condition } from './general.js'
