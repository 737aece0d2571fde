// What the examples are built of: the progress bar and pictures in the terminal.

import { describe, expect, test } from 'vitest'
import { draw, sideBySide } from '../examples/picture.js'
import { formatTime, Progress } from '../examples/progress.js'

describe('progress', () => {
  function recorded(isTTY: boolean, columns = 100) {
    let time = 0
    let text = ''
    const output = { isTTY, columns, write: (t: string) => (text += t) }
    const bar = new Progress('epoch 1/3', 1000, { unit: 'images', output, now: () => time })
    return { bar, pass: (ms: number) => (time += ms), text: () => text }
  }

  test('is a line that is drawn over in a terminal', () => {
    const { bar, pass, text } = recorded(true)
    pass(1000)
    bar.update(250, () => 'loss 0.5000')
    expect(text()).toBe(
      '\r\u001b[2Kepoch 1/3 ━━━━━━━╸──────────────────────   25%  loss 0.5000  250 images/s  0:03 left',
    )
    bar.update(260, () => 'too soon')
    expect(text()).not.toContain('too soon')
    pass(1000)
    bar.finish(1000, 'loss 0.1000')
    expect(text()).toMatch(/━{30} {2}100% {2}loss 0.1000 {2}500 images\/s {2}in 0:02\n$/)
  })

  test('leaves the bar away where there is no room', () => {
    const { bar, pass, text } = recorded(true, 50)
    pass(1000)
    bar.update(500, () => 'loss 0.5000')
    expect(text()).not.toContain('━')
  })

  test('is a plain line now and then elsewhere', () => {
    const { bar, pass, text } = recorded(false)
    for (let i = 1; i <= 100; i++) {
      pass(150)
      bar.update(i * 10, () => `loss ${i}`)
    }
    bar.finish(1000, 'loss 100')
    expect(text().split('\n')).toEqual([
      'epoch 1/3   67%  loss 67  67 images/s  0:05 left',
      'epoch 1/3  100%  loss 100  67 images/s  in 0:15',
      '',
    ])
  })

  test('writes times as people do', () => {
    expect([0, 7.4, 61, 3725].map(formatTime)).toEqual(['0:00', '0:07', '1:01', '1:02:05'])
  })
})

test('pictures are drawn with half blocks, side by side', () => {
  // Four by eight pixels: after halving, a column of two by four.
  const rows = ['1100', '1100', '0011', '0011', '1111', '1111', '0000', '0000']
  const pixels = rows.flatMap((row) => [...row].map(Number))
  const lines = draw({ pixels, width: 4, height: 8 })
  expect(lines).toEqual(['▀▄', '▀▀'])
  expect(
    sideBySide([
      { lines, caption: '7 (99%)' },
      { lines, caption: '1' },
    ]),
  ).toBe('▀▄       ▀▄\n▀▀       ▀▀\n7 (99%)  1')
})
