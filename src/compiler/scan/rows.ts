// Rows of a batch go their own ways through a scan.

import type { Body } from '../../ir/body.js'
import type { ScanAttrs } from '../../ir/build.js'

export interface Split {
  readonly body: Body
  readonly chunks: number
  /** Whether shared value `i` has rows that belong to chunks. */
  isSplit(i: number): boolean
}

export const splitRows = (attrs: ScanAttrs): Split => ({
  body: attrs.body,
  chunks: 1,
  isSplit: () => false,
})
