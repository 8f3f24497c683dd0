/**
 * Where bytes stop being text, and text stops being JSON. Read only after a body was refused: what the engine says about
 * it quotes the body and differs from engine to engine.
 */

/** The index of the first byte that is not UTF-8; undefined when all are. */
export function faultInUtf8(bytes: Uint8Array): number | undefined {
  const isText = (length: number, stream: boolean): boolean => {
    try {
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, length), { stream })
      return true
    } catch {
      return false
    }
  }
  if (isText(bytes.length, false)) return undefined
  // INVARIANT: the first `good` bytes can begin a text, the first `bad` bytes cannot.
  let good = 0, bad = bytes.length + 1
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1
    if (isText(middle, true)) good = middle
    else bad = middle
  }
  return good
}

const LITERAL = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/** The index of the first character that JSON does not allow there (RFC 8259); the length when it ends too early; undefined when it is JSON. */
export function faultInJson(text: string): number | undefined {
  const open: ('{' | '[')[] = []
  let at = 0
  let expected: 'value' | 'value or ]' | 'name' | 'name or }' | ':' | ', or end' = 'value'
  for (;;) {
    while (at < text.length && ' \t\n\r'.includes(text[at]!)) at += 1
    const c = text[at]
    const named: boolean = expected === 'name' || expected === 'name or }'
    if (expected === ', or end' && open.length === 0) return c === undefined ? undefined : at
    if (c === undefined) return text.length
    if (expected === ':') {
      if (c !== ':') return at
      at += 1
      expected = 'value'
    } else if (expected === ', or end') {
      const inObject = open.at(-1) === '{'
      if (c === ',') expected = inObject ? 'name' : 'value'
      else if (c === (inObject ? '}' : ']')) open.pop()
      else return at
      at += 1
    } else if ((expected === 'value or ]' && c === ']') || (expected === 'name or }' && c === '}')) {
      open.pop()
      at += 1
      expected = ', or end'
    } else if (c === '"') {
      const string = endOfString(text, at)
      if (!string.ok) return string.at
      at = string.at
      expected = named ? ':' : ', or end'
    } else if (named) {
      return at
    } else if (c === '{' || c === '[') {
      open.push(c)
      at += 1
      expected = c === '{' ? 'name or }' : 'value or ]'
    } else {
      LITERAL.lastIndex = at
      const literal = LITERAL.exec(text)
      if (literal === null) return at
      at += literal[0].length
      expected = ', or end'
    }
  }
}

/** One past the closing quote, or where the string goes wrong. */
function endOfString(text: string, quote: number): { readonly ok: boolean; readonly at: number } {
  let at = quote + 1
  while (at < text.length) {
    const c = text[at]!
    if (c === '"') return { ok: true, at: at + 1 }
    if (c < ' ') return { ok: false, at }
    if (c !== '\\') {
      at += 1
      continue
    }
    ESCAPE.lastIndex = at
    const escape = ESCAPE.exec(text)
    if (escape === null) return { ok: false, at }
    at += escape[0].length
  }
  return { ok: false, at: text.length }
}
