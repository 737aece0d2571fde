// Transcendental functions as formulas in the kernel IR, the same bits on every CPU target.

export { erf } from './erf.js'
export { exp, expm1, tanh } from './exponential.js'
export { log, log1p } from './logarithm.js'
export { pow } from './power.js'
export { cos, sin } from './trigonometry.js'
