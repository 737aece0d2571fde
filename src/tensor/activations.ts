// Activation functions as methods; the rest of them are functions in `F`.

import * as composites from '../ir/composites/activations.js'
import * as rows from '../ir/composites/softmax.js'
import { type AxisArg, oneAxis } from './axes.js'
import { expose } from './core.js'
import { asFloat } from './operand.js'
import { ReductionTensor } from './reductions.js'
import type { Tensor } from './tensor.js'

/** See `Tensor`. */
export abstract class ActivationTensor extends ReductionTensor {
  /** max(x, 0); NaN stays NaN. Mirrors `torch.relu`. */
  relu(): Tensor {
    return expose(composites.relu(asFloat(this.node)))
  }

  /** 1 / (1 + exp(-x)). Mirrors `torch.sigmoid`. */
  sigmoid(): Tensor {
    return expose(composites.sigmoid(asFloat(this.node)))
  }

  /** x · sigmoid(x), also known as swish. Mirrors `torch.nn.functional.silu`. */
  silu(): Tensor {
    return expose(composites.silu(asFloat(this.node)))
  }

  /** log(1 + exp(x)). Mirrors `torch.nn.functional.softplus`. */
  softplus(): Tensor {
    return expose(composites.softplus(asFloat(this.node)))
  }

  /**
   * x · Φ(x), with Φ the normal distribution function, or its approximation by a tanh. Mirrors
   * `torch.nn.functional.gelu`.
   */
  gelu(options: { readonly approximate?: 'none' | 'tanh' | undefined } = {}): Tensor {
    return expose(composites.gelu(asFloat(this.node), options.approximate))
  }

  /** x where positive, else `slope` · x (default 0.01). Mirrors `torch.nn.functional.leaky_relu`. */
  leakyRelu(slope = 0.01): Tensor {
    return expose(composites.leakyRelu(asFloat(this.node), slope))
  }

  /** x where positive, else `alpha` · (exp(x) - 1) (default 1). Mirrors `torch.nn.functional.elu`. */
  elu(alpha = 1): Tensor {
    return expose(composites.elu(asFloat(this.node), alpha))
  }

  /** exp(x) / Σ exp(x) along an axis (default: the last). Mirrors `torch.softmax`. */
  softmax(arg?: AxisArg): Tensor {
    return expose(rows.softmax(asFloat(this.node), [oneAxis('softmax', arg, this.ndim, -1)]))
  }

  /** The logarithm of `softmax`, without its underflow. Mirrors `torch.log_softmax`. */
  logSoftmax(arg?: AxisArg): Tensor {
    return expose(rows.logSoftmax(asFloat(this.node), [oneAxis('logSoftmax', arg, this.ndim, -1)]))
  }
}
