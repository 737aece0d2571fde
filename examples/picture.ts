// Grey pictures in the terminal, with half blocks: two pixels, one above the other, in each character.

/** Pixels from 0 to 1, row by row. */
export interface Picture {
  readonly pixels: ArrayLike<number>
  readonly width: number
  readonly height: number
}

/** The picture at half its size: the mean of each two by two pixels. */
function halved({ pixels, width, height }: Picture): Picture {
  const [w, h] = [width >> 1, height >> 1]
  const out = new Float32Array(w * h)
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const at = 2 * y * width + 2 * x
      const sum = (i: number): number => (pixels[i] as number) + (pixels[i + 1] as number)
      out[y * w + x] = (sum(at) + sum(at + width)) / 4
    }
  }
  return { pixels: out, width: w, height: h }
}

/** Lines of text that show a picture at half its size: a pixel is set where it is brighter than `level`. */
export function draw(picture: Picture, level = 0.3): string[] {
  const { pixels, width, height } = halved(picture)
  const isSet = (x: number, y: number): boolean => (pixels[y * width + x] ?? 0) > level
  const cell = (x: number, y: number): string => {
    const [top, bottom] = [isSet(x, y), isSet(x, y + 1)]
    return top ? (bottom ? '█' : '▀') : bottom ? '▄' : ' '
  }
  return Array.from({ length: Math.ceil(height / 2) }, (_, row) =>
    Array.from({ length: width }, (_, x) => cell(x, 2 * row)).join(''),
  )
}

/** Blocks of lines side by side, each with a caption below. */
export function sideBySide(
  blocks: readonly { readonly lines: readonly string[]; readonly caption: string }[],
): string {
  const widths = blocks.map((b) => Math.max(b.caption.length, ...b.lines.map((l) => l.length)))
  const height = Math.max(0, ...blocks.map((b) => b.lines.length))
  const line = (of: (block: (typeof blocks)[number]) => string): string =>
    blocks
      .map((b, i) => of(b).padEnd(widths[i] as number))
      .join('  ')
      .trimEnd()
  const rows = Array.from({ length: height }, (_, row) => line((b) => b.lines[row] ?? ''))
  return [...rows, line((b) => b.caption)].join('\n')
}
