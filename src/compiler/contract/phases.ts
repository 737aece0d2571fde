// Convolutions of a dilated input, without its holes.
//
// The gradient of a convolution with stride d is a convolution of an input with d - 1 zeros between
// neighbours: of a 3 × 3 window over it, with d = 2, three quarters of the elements are zeros in known
// places. Which ones depends on the output's position modulo d alone. So the output falls into d phases an
// axis, and each is a plain convolution of the input as it is with every d-th element of the kernel.
// This is part of what `conv` means: holes contribute nothing to a sum (padding contributes zeros).

import { plus, times } from '../kernel/affine.js'
import type { Reader, Writer } from '../kernel/assembly.js'
import type { Affine } from '../kernel/ir.js'
import { type ConvSpec, convSizes } from './spec.js'

/** The outputs at φ, φ + step, φ + 2·step … of every spatial axis, as a convolution of their own. */
export interface Phase {
  readonly spec: ConvSpec
  /** φ, and the distance of the phase's outputs; 0 and 1 along axes that are not split. */
  readonly first: readonly number[]
  readonly step: readonly number[]
  /** The first kernel element that meets no hole; others follow `step` apart. */
  readonly tap: readonly number[]
}

/** The phases of a convolution, or null if it has one only. */
export function phasesOf(spec: ConvSpec): Phase[] | null {
  const { attrs } = spec
  const { output } = convSizes(spec)
  const step = attrs.inputDilation.map((d, i) =>
    attrs.strides[i] === 1 && attrs.kernelDilation[i] === 1 ? d : 1,
  )
  if (step.every((d) => d === 1)) return null
  const phases: Phase[] = []
  const visit = (first: readonly number[]): void => {
    const axis = first.length
    if (axis < step.length) {
      for (let phi = 0; phi < Math.min(step[axis]!, output[axis]!); phi++) visit([...first, phi])
    } else {
      phases.push(phaseAt(spec, output, step, first))
    }
  }
  visit([])
  return phases
}

function phaseAt(
  spec: ConvSpec,
  output: readonly number[],
  step: readonly number[],
  first: readonly number[],
): Phase {
  const { attrs } = spec
  const kernel = spec.kernel.slice(2)
  // Output φ + d·u sees, through tap t, what lies at φ + d·u + t - low: an element where d divides it.
  const tap = step.map((d, i) => (d === 1 ? 0 : modulo(attrs.low[i]! - first[i]!, d)))
  const taps = kernel.map((n, i) => Math.max(0, Math.ceil((n - tap[i]!) / step[i]!)))
  const outputs = output.map((n, i) => Math.ceil((n - first[i]!) / step[i]!))
  const low = step.map((d, i) =>
    d === 1 ? attrs.low[i]! : -(first[i]! + tap[i]! - attrs.low[i]!) / d,
  )
  const high = step.map((d, i) =>
    d === 1 ? attrs.high[i]! : outputs[i]! - 1 + taps[i]! - spec.input[i + 2]! - low[i]!,
  )
  return {
    spec: {
      ...spec,
      kernel: [spec.kernel[0]!, spec.kernel[1]!, ...taps],
      attrs: {
        ...attrs,
        low,
        high,
        inputDilation: attrs.inputDilation.map((d, i) => (step[i] === 1 ? d : 1)),
      },
    },
    first,
    step,
    tap,
  }
}

const modulo = (a: number, n: number): number => ((a % n) + n) % n

const spread = (p: Phase, origin: readonly number[], at: readonly Affine[]): Affine[] =>
  at.map((x, i) => plus(times(x, p.step[i]!), origin[i]!))

/** The kernel as a phase sees it. */
export const phaseKernel = (p: Phase, kernel: Reader): Reader => ({
  shape: p.spec.kernel,
  dtype: kernel.dtype,
  direct: null,
  read: (k, [feature, channel, ...tap]) =>
    kernel.read(k, [feature!, channel!, ...spread(p, p.tap, tap)]),
})

/** Where a phase's outputs go. */
export const phaseWriter = (p: Phase, out: Writer): Writer => ({
  direct: null,
  write: (k, [image, feature, ...position], value) =>
    out.write(k, [image!, feature!, ...spread(p, p.first, position)], value),
})
