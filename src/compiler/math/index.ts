// Transcendental functions as formulas in the kernel IR, the same bits on every CPU target.

export { erf } from './erf.js'
export { exp, expm1, tanh } from './exponential.js'
export { log, log1p, pow } from './logarithm.js'
export { cos, sin } from './trigonometry.js'
