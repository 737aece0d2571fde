// Composites: operations with a name of their own and a body of primitives. All are in the table once
// this file is imported, and recorded with the functions it exports.

export * from './activations.js'
export * from './attention.js'
export * from './binarycrossentropy.js'
export * from './conv.js'
export * from './crossentropy.js'
export * from './dropout.js'
export * from './linear.js'
export * from './norm.js'
export * from './optimizers.js'
export * from './pool.js'
export * from './recurrent.js'
export type { Reduction } from './reduction.js'
export * from './regression.js'
export * from './softmax.js'
export * from './split.js'
