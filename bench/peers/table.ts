// Results as text: a few lines for each workload as it comes, or tables in Markdown at the end.

import {
  type Figures,
  geometricMean,
  measuredBy,
  type Result,
  ratio,
  type Spread,
  spread,
} from './result.js'
import { STEPS, TARGETS } from './targets.js'

const microseconds = (us: number): string => {
  const places = us < 10 ? 2 : us < 100 ? 1 : 0
  const rounded = us.toFixed(places)
  return us < 1000 ? rounded : Number(rounded).toLocaleString('en-US')
}

const range = ({ low, high }: Spread, show: (x: number) => string): string =>
  `${show(low)}–${show(high)}`

const times = (x: number): string => x.toFixed(2)

const seconds = (s: number): string => s.toFixed(s < 1 ? 3 : 1)

const losses = ({ losses: all }: Figures): string =>
  all === undefined ? '' : `loss ${all[0]?.toFixed(3)} → ${all.at(-1)?.toFixed(3)}`

/** One workload in plain text, a line for each peer. */
export function text(result: Result, targets: boolean): string {
  const verdict = ratio(result)
  const target = targets ? TARGETS[result.workload] : undefined
  const title = [
    result.workload.padEnd(30),
    verdict === null
      ? 'nobody to compare with'
      : `${times(verdict.middle)} times ${verdict.fastest} (${range(verdict, times)})`,
    target === undefined ? '' : `, to reach: ${target}`,
  ]
  const lines = Object.entries(result.peers).map(([name, figures]) => {
    if ('error' in figures) return `  ${name.padEnd(15)} ${figures.error}`
    const us = spread(figures.rounds)
    return [
      `  ${name.padEnd(15)}`,
      `${microseconds(us.middle)} µs`.padStart(14),
      `(${range(us, microseconds)})`.padStart(20),
      `first ${seconds(figures.first_s)} s`.padStart(14),
      `  ${losses(figures)}`,
    ]
      .join('')
      .trimEnd()
  })
  return [title.join(''), ...lines].join('\n')
}

/** The geometric mean of the ratios of training and inference steps, as a line; empty if there are none. */
export function meanLine(results: readonly Result[]): string {
  const steps = results.filter((r) => STEPS.includes(r.workload))
  const ratios = steps.flatMap((r) => ratio(r)?.middle ?? [])
  if (ratios.length === 0) return ''
  const of = `${ratios.length} of ${STEPS.length} training and inference steps`
  return `Geometric mean of ${of}: ${times(geometricMean(ratios))}`
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'))
  return [row(head), row(rule), ...rows.map(row)].join('\n')
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)]

/** Everything in Markdown: what was measured where, steps, and first results. */
export function markdown(results: readonly Result[], targets: boolean): string {
  const names = unique(results.flatMap((r) => Object.keys(r.peers)))
  const cells = (r: Result, show: (f: Figures) => string): string[] =>
    names.map((name) => {
      const figures = measuredBy(r, name)
      return figures === null ? '–' : show(figures)
    })
  const versions = names.map((name) => {
    const found = unique(results.flatMap((r) => measuredBy(r, name)?.version ?? []))
    return `${name} ${found.join(' and ')}`
  })
  const where = unique(results.map((r) => `${r.machine}; ${r.threads} threads`)).join('\n')
  const rounds = unique(
    results.flatMap((r) => Object.keys(r.peers).map((n) => measuredBy(r, n)?.rounds.length ?? 0)),
  ).filter((n) => n > 0)
  const steps = results.map((r) => {
    const verdict = ratio(r)
    return [
      r.workload,
      ...cells(r, (f) => {
        const us = spread(f.rounds)
        return `${microseconds(us.middle)} (${range(us, microseconds)})`
      }),
      verdict === null ? '–' : `**${times(verdict.middle)}** (${range(verdict, times)})`,
      ...(targets ? [String(TARGETS[r.workload] ?? '–')] : []),
    ]
  })
  const firsts = results.map((r) => [r.workload, ...cells(r, (f) => seconds(f.first_s))])
  const dates = unique(results.map((r) => r.date.slice(0, 10))).join(', ')
  return [
    `${dates}: ${where}. ${versions.join(', ')}.`,
    `Microseconds of one step: the median of ${rounds.join(' or ')} alternating rounds, each the median of ` +
      'its steps, with the least and the most of the rounds. Ratio: the fastest peer over tessera.',
    table(['workload', ...names, 'ratio', ...(targets ? ['to reach'] : [])], steps),
    meanLine(results),
    'Seconds to the first result, with all that is traced and compiled for it:',
    table(['workload', ...names], firsts),
  ].join('\n\n')
}

const OPEN = '<!-- bench:peers -->\n'
const CLOSE = '<!-- /bench:peers -->'

/** A page with the text between its two comments replaced. */
export function insert(page: string, tables: string): string {
  const [from, to] = [page.indexOf(OPEN), page.indexOf(CLOSE)]
  if (from < 0 || to < from)
    throw new Error(`the page has no ${OPEN.trim()} with a ${CLOSE} after it`)
  return `${page.slice(0, from)}${OPEN}\n${tables}\n\n${page.slice(to)}`
}
