// Plain operations: what is left of a framework when there is next to nothing to do, and kernels alone.

import { F, ones, randn, type Tensor } from 'tessera'
import { operation, type Workload } from './workload.js'

const matmul =
  (n: number): Workload =>
  (mode) =>
    operation(mode, (x, y) => (x as Tensor).matmul(y as Tensor), randn([n, n]), randn([n, n]))

export const OPERATIONS = {
  add_1: (mode) => operation(mode, (x, y) => (x as Tensor).add(y as Tensor), ones([1]), ones([1])),

  // Ten elementwise operations over 2^20 floats.
  chain_1m: (mode) =>
    operation(
      mode,
      (input) => {
        const x = input as Tensor
        let y = F.relu(x.mul(2).add(1))
        y = y.neg().exp()
        y = y.div(y.add(1))
        return y.tanh().mul(x).sub(0.5)
      },
      randn([1 << 20]),
    ),

  softmax_4096x1000: (mode) =>
    operation(mode, (x) => F.softmax(x as Tensor, { axis: -1 }), randn([4096, 1000])),

  sum_rows_4096x4096: (mode) =>
    operation(mode, (x) => (x as Tensor).sum({ axis: 0 }), randn([4096, 4096])),

  matmul_256: matmul(256),
  matmul_1024: matmul(1024),
  matmul_2048: matmul(2048),
} satisfies Record<string, Workload>
