import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { Peer } from './peer.js'
import { geometricMean, type Result, ratio } from './result.js'
import { compare } from './rounds.js'
import { insert, markdown, meanLine, text } from './table.js'

/** A peer that serves `ok`, at a microsecond more each time, and breaks where it is told to. */
const PROGRAM = `
  const say = (x) => process.stdout.write(JSON.stringify(x) + '\\n')
  say({ version: String(process.pid), workloads: ['ok', 'fails', 'dies'] })
  let time = Number(process.argv[1])
  let workload
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const request = JSON.parse(line)
    workload = request.workload ?? workload
    if (workload === 'fails') return say({ error: 'no such layer' })
    if (workload === 'dies') throw new Error('out of memory')
    if (request.do === 'prepare') return say({ first_s: 0.5, losses: [2, 1] })
    say({ median_us: time++, min_us: 1, runs: 5 })
  })
`

const started: Peer[] = []
const start = async (name: string, time: number): Promise<Peer> => {
  const command = { file: process.execPath, args: ['-e', PROGRAM, String(time)] }
  const peer = await Peer.start(name, command)
  started.push(peer)
  return peer
}
afterEach(() => {
  for (const peer of started.splice(0)) peer.end()
})

const PLAN = { rounds: 3, seconds: 0, threads: 1 }

describe('a peer', () => {
  test.runIf(process.platform === 'linux')('is stopped while it is not asked', async () => {
    const peer = await start('torch', 10)
    const state = () => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${peer.version}/status`, 'utf8'))
    for (let i = 0; i < 2; i++) {
      expect(await peer.ask({ do: 'time', seconds: 0 })).toMatchObject({ median_us: 10 + i })
      await expect.poll(() => state()?.[1]).toBe('T')
    }
  })

  test('that cannot be started says why', async () => {
    const missing = { file: '/no/such/python', args: [] }
    await expect(Peer.start('jax', missing)).rejects.toThrow('/no/such/python')
    const broken = {
      file: process.execPath,
      args: ['-e', 'console.error("no torch"); process.exit(1)'],
    }
    await expect(Peer.start('torch', broken)).rejects.toThrow('no torch')
  })
})

describe('rounds', () => {
  test('alternate over all peers that have the workload', async () => {
    const peers = [await start('tessera', 10), await start('torch', 20), await start('jax', 30)]
    const result = await compare('ok', peers, PLAN)
    expect(Object.keys(result.peers)).toEqual(['tessera', 'torch', 'jax'])
    expect(result.peers.jax).toMatchObject({ rounds: [30, 31, 32], first_s: 0.5, losses: [2, 1] })
    expect((await compare('unheard of', peers, PLAN)).peers).toEqual({})
  })

  test('go on without a peer that fails', async () => {
    const peers = [await start('tessera', 10)]
    expect((await compare('fails', peers, PLAN)).peers.tessera).toEqual({ error: 'no such layer' })
    expect((await compare('ok', peers, PLAN)).peers.tessera).toMatchObject({ rounds: [10, 11, 12] })
    expect((await compare('dies', peers, PLAN)).peers.tessera).toHaveProperty('error')
    expect((await compare('ok', peers, PLAN)).peers.tessera).toHaveProperty('error')
  })
})

const figures = (rounds: number[]) => ({ version: '1', rounds, first_s: 2, losses: [2, 1] })
const RESULT: Result = {
  workload: 'mlp_b32',
  date: '2026-01-02T03:04:05Z',
  machine: 'an abacus',
  threads: 2,
  seconds: 1,
  peers: {
    tessera: figures([100, 200, 100]),
    'tessera-eager': figures([1, 1, 1]),
    torch: figures([400, 300, 200]),
    jax: figures([1000, 1000, 90]),
    tensorflow: { error: 'no such layer' },
  },
}

describe('results', () => {
  test('compare medians with the fastest of the others', () => {
    expect(ratio(RESULT)).toEqual({ fastest: 'torch', middle: 3, low: 1.5, high: 4 })
    expect(ratio({ ...RESULT, peers: { tessera: figures([1]) } })).toBe(null)
    expect(geometricMean([2, 8])).toBeCloseTo(4)
  })

  test('are told in text', () => {
    expect(text(RESULT, true).split('\n')).toEqual([
      'mlp_b32                       3.00 times torch (1.50–4.00), to reach: 2',
      '  tessera                100 µs           (100–200)   first 2.0 s  loss 2.000 → 1.000',
      '  tessera-eager         1.00 µs         (1.00–1.00)   first 2.0 s  loss 2.000 → 1.000',
      '  torch                  300 µs           (200–400)   first 2.0 s  loss 2.000 → 1.000',
      '  jax                  1,000 µs        (90.0–1,000)   first 2.0 s  loss 2.000 → 1.000',
      '  tensorflow      no such layer',
    ])
    expect(meanLine([RESULT, { ...RESULT, workload: 'add_1' }])).toBe(
      'Geometric mean of 1 of 9 training and inference steps: 3.00',
    )
  })

  test('are told in Markdown', () => {
    const page = markdown([RESULT], false)
    expect(page).toContain('2026-01-02: an abacus; 2 threads. tessera 1, tessera-eager 1, torch 1')
    expect(page).toContain(
      '| mlp_b32 | 100 (100–200) | 1.00 (1.00–1.00) | 300 (200–400) | 1,000 (90.0–1,000) | – ' +
        '| **3.00** (1.50–4.00) |',
    )
    expect(page).toContain('| mlp_b32 | 2.0 | 2.0 | 2.0 | 2.0 | – |')
  })
  test('replace those of a page', () => {
    const page = (tables: string) => `a\n<!-- bench:peers -->\n${tables}<!-- /bench:peers -->\nb\n`
    expect(insert(page('old'), 'new')).toBe(page('\nnew\n\n'))
    expect(insert(insert(page(''), 'old'), 'new')).toBe(page('\nnew\n\n'))
    expect(() => insert('a page', 'new')).toThrow('has no <!-- bench:peers -->')
  })
})
