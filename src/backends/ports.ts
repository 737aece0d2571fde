// What goes into a plan and comes out of it.

import { DTYPES, type DType } from '../base/dtype.js'
import { sizeOf, staticShape } from '../base/shape.js'
import type { TensorType } from '../ir/node.js'
import type { Program } from '../ir/program.js'

/** Element type and number of an input or output. */
export interface Port {
  readonly dtype: DType
  readonly length: number
}

export const bytesOf = ({ dtype, length }: Port): number => length * DTYPES[dtype].bytes

export interface Ports {
  readonly inputs: readonly Port[]
  readonly outputs: readonly Port[]
}

const portOf = ({ shape, dtype }: TensorType): Port => ({
  dtype,
  length: sizeOf(staticShape('build', shape)),
})

export const portsOf = ({ inputs, outputs }: Program): Ports => ({
  inputs: inputs.map(portOf),
  outputs: outputs.map(portOf),
})
