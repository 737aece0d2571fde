// What JSON.parse does not say: whether an object has a key twice.

const isSpace = (c: string): boolean => c === ' ' || c === '\n' || c === '\t' || c === '\r'

/** The first key that an object of valid JSON `text` has twice, or `null`. */
export function duplicateKey(text: string): string | null {
  // One set of keys for each object that is open; `null` for an array.
  const open: (Set<string> | null)[] = []
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string
    if (c === '{') open.push(new Set())
    else if (c === '[') open.push(null)
    else if (c === '}' || c === ']') open.pop()
    else if (c === '"') {
      const start = i
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++
      const keys = open.at(-1)
      let after = i + 1
      while (isSpace(text[after] ?? '')) after++
      if (!keys || text[after] !== ':') continue
      const key = JSON.parse(text.slice(start, i + 1)) as string
      if (keys.has(key)) return key
      keys.add(key)
    }
  }
  return null
}
