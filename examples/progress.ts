// A progress bar for the terminal; where output is no terminal, a plain line now and then.

/** What a stream has to offer; `process.stdout` does. */
export interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** Between two pictures of the bar, and between two plain lines, in milliseconds. */
const REDRAW_MS = 80
const LINE_MS = 10_000

/** Seconds as `m:ss`, or with hours in front. */
export function formatTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const two = (n: number): string => String(n).padStart(2, '0')
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60]
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** A bar of `width` cells, drawn to half a cell. */
function bar(fraction: number, width: number): string {
  const halves = Math.round(fraction * width * 2)
  const full = Math.floor(halves / 2)
  return '━'.repeat(full) + (halves % 2 === 1 ? '╸' : '') + '─'.repeat(width - full - (halves % 2))
}

export interface ProgressOptions {
  /** What is counted, for the rate: `images`. */
  readonly unit: string
  readonly output?: Output
  /** The time in milliseconds. */
  readonly now?: () => number
}

/**
 * Shows how far some work is. Call `update` as often as you like and `finish` at the end.
 *
 * `epoch 1/3 ━━━━━━━━╸─────  62%  loss 0.1204  accuracy 96.41%  9,120 images/s  0:02 left`
 */
export class Progress {
  private readonly output: Output
  private readonly now: () => number
  private readonly begin: number
  private shown: number

  constructor(
    private readonly title: string,
    private readonly total: number,
    private readonly options: ProgressOptions,
  ) {
    this.output = options.output ?? process.stdout
    this.now = options.now ?? (() => performance.now())
    this.begin = this.now()
    this.shown = this.output.isTTY ? Number.NEGATIVE_INFINITY : this.begin
  }

  /** `done` of the total are done; `status` is a function, as it is not always shown. */
  update(done: number, status: () => string): void {
    const now = this.now()
    if (now - this.shown < (this.output.isTTY ? REDRAW_MS : LINE_MS)) return
    this.shown = now
    const rate = done / (now - this.begin)
    const left = rate > 0 ? `${formatTime((this.total - done) / rate / 1000)} left` : ''
    this.show(done, [status(), this.rate(done), left], false)
  }

  /** The work is over: the line stays. */
  finish(done: number, status: string): void {
    const time = `in ${formatTime((this.now() - this.begin) / 1000)}`
    this.show(done, [status, this.rate(done), time], true)
  }

  private rate(done: number): string {
    const perSecond = Math.round((done / Math.max(this.now() - this.begin, 1e-3)) * 1000)
    return `${perSecond.toLocaleString('en-US')} ${this.options.unit}/s`
  }

  private show(done: number, parts: readonly string[], last: boolean): void {
    const fraction = this.total === 0 ? 1 : done / this.total
    const percent = `${String(Math.round(fraction * 100)).padStart(3)}%`
    const text = [percent, ...parts.filter((p) => p !== '')].join('  ')
    const { output, title } = this
    if (!output.isTTY) {
      output.write(`${title}  ${text}\n`)
      return
    }
    const room = (output.columns ?? 80) - title.length - text.length - 3
    const drawn = room < 5 ? '' : ` ${bar(fraction, Math.min(room, 30))}`
    output.write(`\r\u001b[2K${title}${drawn}  ${text}${last ? '\n' : ''}`)
  }
}
