// Typed errors with one grammar: `where: Expected …. Received ….`

/** Facts attached to an error, for programs that want to inspect it (shapes, dtypes, values …). */
export type ErrorData = Readonly<Record<string, unknown>>

/**
 * The base class of every error tessera throws on purpose.
 *
 * The message always reads `where: Expected <expected>. Received <received>.`; the parts are also kept
 * as fields so that callers never have to parse text.
 */
export class TesseraError extends Error {
  /** The operation, layer or file that noticed the mistake, e.g. `conv2d`. */
  readonly where: string
  readonly expected: string
  readonly received: string
  readonly data: ErrorData
  /** Where in the user's program the failing operation was called, as far as it is known. */
  site: string | null = null

  constructor(where: string, expected: string, received: string, data: ErrorData = {}) {
    super(`${where}: Expected ${expected}. Received ${received}.`)
    this.name = new.target.name
    this.where = where
    this.expected = expected
    this.received = received
    this.data = data
  }

  /** Says where the failing operation was called. The first one to know wins. */
  located(site: string | null): this {
    if (site === null || this.site !== null) return this
    this.site = site
    this.message += `\n  at ${site}`
    return this
  }
}

/** A shape does not fit: wrong rank, sizes that do not match, too many elements. */
export class ShapeError extends TesseraError {}
/** A dtype does not fit the operation, or two dtypes cannot be combined. */
export class DTypeError extends TesseraError {}
/** An argument has the right type but a value the operation cannot take. */
export class ValueError extends TesseraError {}
/** An index or axis lies outside its range. */
export class IndexError extends TesseraError {}
/** A device is unknown, not available here, or holds a different tensor's data. */
export class DeviceError extends TesseraError {}
/** Memory for a plan or a tensor cannot be had. */
export class OutOfMemoryError extends TesseraError {}
/** Something is used before it is ready, or where it cannot be: a missing gradient, files in a browser. */
export class FailedPreconditionError extends TesseraError {}
/** Something is used after it ended: a closed session, an exhausted tape. */
export class ClosedError extends TesseraError {}
/** A feed of a session is missing or does not fit its tensor. */
export class FeedError extends TesseraError {}
/** A value that was never computed needs a variable's contents that have been overwritten since. */
export class StaleValueError extends TesseraError {}
/** Tensor values were read, or state was made, where a trace cannot allow it. */
export class TraceError extends TesseraError {}
/** A file or byte stream is malformed, truncated or hostile. */
export class FormatError extends TesseraError {}
/** Arithmetic without a result, such as an integer division by zero. */
export class ArithmeticError extends TesseraError {}
/** A gradient was asked for where none is defined. */
export class GradientError extends TesseraError {}
/** A graph breaks the rules of the intermediate representation: a bug in tessera, never in user code. */
export class VerifyError extends TesseraError {}

// Minifiers rename classes, and an error should say what it is all the same.
const NAMED = {
  TesseraError,
  ShapeError,
  DTypeError,
  ValueError,
  IndexError,
  DeviceError,
  OutOfMemoryError,
  FailedPreconditionError,
  ClosedError,
  FeedError,
  StaleValueError,
  TraceError,
  FormatError,
  ArithmeticError,
  GradientError,
  VerifyError,
}
for (const [name, type] of Object.entries(NAMED)) {
  Object.defineProperty(type, 'name', { value: name, configurable: true })
}
