// How large values are in a plan, where all sizes are numbers.

import { DTYPES } from '../base/dtype.js'
import { type StaticShape, sizeOf } from '../base/shape.js'
import type { TensorType } from './node.js'

/** The shape of a value of a plan; nothing is checked. */
export const shapeOf = ({ shape }: TensorType): StaticShape => shape as StaticShape

export const elementsOf = (value: TensorType): number => sizeOf(shapeOf(value))

export const bytesOf = (value: TensorType): number => elementsOf(value) * DTYPES[value.dtype].bytes
