// Type-checked where the packed package is installed: the declarations stand on their own.

import { type nn, type Tensor, tensor } from 'tessera'
import { Linear } from 'tessera/nn'

const x: Tensor = tensor([[1.5, 2.5]]).add(1)
const layer: nn.Linear = new Linear(2, 1)
const y: Tensor = layer.call(x)
export const value: number = y.sum().item()

// @ts-expect-error: a tensor is not a string
export const wrong: string = y
