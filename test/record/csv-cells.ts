/** A reader of RFC 4180, written from its grammar. */
export function cellsOf(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = [], at = 0
  while (at < text.length) {
    let cell = ''
    if (text[at] === '"') {
      for (at += 1; !(text[at] === '"' && text[at + 1] !== '"'); at += 1) {
        if (at >= text.length) throw new Error('a quote that does not end')
        if (text[at] === '"') at += 1
        cell += text[at]
      }
      at += 1
    } else while (at < text.length && text[at] !== ',' && text[at] !== '\r') cell += text[at++]
    row.push(cell)
    if (text[at] === ',') {
      at += 1
      if (text.startsWith('\r\n', at)) row.push('')
      else continue
    }
    if (!text.startsWith('\r\n', at)) throw new Error(`no end of a line at ${at}`)
    at += 2
    rows.push(row)
    row = []
  }
  return rows
}
