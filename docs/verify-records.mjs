// Checks an export of records, or a receipt, by what records.md says and with nothing of Bailiwick:
//   node verify-records.mjs EXPORT.jsonl|RECEIPT.jws PUBLIC.json
// PUBLIC.json is the gateway's public key, a JWK that you did not get together with the file. It ends with 0 when all is right,
// and with 1 at the first fault, whose place it prints. It needs Node 20 or later and no package.
import { createHash, createPublicKey, verify } from 'node:crypto'
import { createReadStream, readFileSync, realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
const demand = (isSo, otherwise) => { if (!isSo) throw new Error(otherwise) }
const hash = (...parts) => parts.reduce((so, part) => so.update(part), createHash('sha256')).digest()
const hexHash = text => hash(text).toString('hex')
// RFC 8785. Beyond the order of members, ECMAScript writes whatever came from JSON as it must be written.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(item => canonical(item)).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  return `{${Object.keys(value).sort().map(name => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`
}

export const readKey = ({ crv, kty, x }) => ({ name: hash(canonical({ crv, kty, x })).toString('base64url'), object: createPublicKey({ key: { crv, kty, x }, format: 'jwk' }) })
const isSigned = (text, signature, key, bytes = Buffer.from(signature, 'base64url')) => bytes.toString('base64url') === signature && verify(null, Buffer.from(text), key.object, bytes)
const checkCheckpoint = ({ log, at, from, to, head, root, key: name, signature }, key) =>
  demand(name === key.name && isSigned(`bailiwick checkpoint v1\n${canonical({ at, from, head, key: name, log, root, to })}`, signature, key), 'this checkpoint is not signed with this key')
const lineDigest = ({ closed, open, prev, salt, seq }) => hexHash(canonical({ closed: salt === undefined ? closed : hexHash(canonical({ salt, value: closed })), open, prev, seq }))
// RFC 9162, section 2.1.1.
const leaf = digest => hash(Buffer.of(0), Buffer.from(digest, 'hex'))
const node = (left, right) => hash(Buffer.of(1), left, right)
function treeRoot(digests) {
  let half = 1
  while (half * 2 < digests.length) half *= 2
  return digests.length === 1 ? leaf(digests[0]) : node(treeRoot(digests.slice(0, half)), treeRoot(digests.slice(half)))
}

/** `lines`: each as its bytes, without its line feed. Returns what is right; an error has the number of the line that was at fault. */
export async function checkExport(lines, key) {
  let number = 0, log, first, seal, signedTo, last = { seq: 0, digest: '0'.repeat(64) }, unsigned = []
  try {
    for await (const bytes of lines) {
      number += 1
      demand(seal === undefined, 'something stands after the seal')
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), line = JSON.parse(text)
      demand(canonical(line) === text, 'this is not the canonical text of what it says')
      const { open, prev, salt, seq } = line, names = Object.keys(line).join()
      if (names === 'seal,signature') {
        seal = line.seal
        demand(seal.key === key.name && isSigned(`bailiwick seal v1\n${canonical(seal)}`, line.signature, key), 'the seal is not signed with this key')
        demand(seal.log === log && seal.first === first, 'the seal is of another log, or of one that begins elsewhere')
        demand(seal.last === last.seq && seal.head === last.digest, `lines ${signedTo + 1} to ${seal.last} are not those that were sealed`)
        continue
      }
      demand(names === 'closed,open,prev,salt,seq' && /^[0-9a-f]{32}$/.test(salt) && typeof open.kind === 'string', 'this is no line')
      if (first === undefined && seq > 1) last = { seq: seq - 1, digest: prev }
      first ??= seq
      signedTo ??= seq - 1
      demand(seq === last.seq + 1 && prev === last.digest, `line ${seq} does not follow line ${last.seq}: one of the two was changed, put in or moved`)
      demand((open.kind === 'log') === (seq === 1), 'a log begins with a line of kind log, and none stands elsewhere')
      if (seq === 1) log = open.log
      unsigned.push(last = { seq, digest: lineDigest(line) })
      if (open.kind !== 'checkpoint') continue
      checkCheckpoint(open, key)
      demand(open.log === (log ??= open.log), 'this checkpoint is of another log')
      // Where some of its lines were deleted, those that are left hang together by the digest of the last.
      const signed = unsigned.filter(one => one.seq <= open.to).map(one => one.digest), isCut = open.from < first && signedTo < first
      demand(open.to < seq && (isCut || open.from === signedTo + 1), `lines ${signedTo + 1} to ${seq} are not those that were there: this checkpoint signs lines ${open.from} to ${open.to}`)
      demand(signed.length === 0 ? isCut : signed.at(-1) === open.head && (isCut || treeRoot(signed).toString('hex') === open.root), `lines ${open.from} to ${open.to} are not those that this checkpoint signed`)
      signedTo = open.to
      unsigned = unsigned.filter(one => one.seq > signedTo)
    }
    demand(seal !== undefined, 'no seal follows: the end is missing')
    return `lines ${seal.first} to ${seal.last} of log ${log}, sealed ${new Date(seal.at).toISOString()}: none was changed, put in, taken out or moved`
  } catch (error) { throw Object.assign(error, { line: number }) }
}
export function checkReceipt(text, key) {
  const [header, payload, signature, ...more] = text.trim().split('.')
  demand(more.length === 0 && isSigned(`${header}.${payload}`, signature, key), 'this is no receipt that was signed with this key')
  const [{ alg, kid, typ }, { at, bailiwick, entries }] = [header, payload].map(part => JSON.parse(Buffer.from(part, 'base64url').toString()))
  demand(alg === 'EdDSA' && kid === key.name && typ === 'bailiwick-receipt' && bailiwick === 'receipt v1' && entries.length > 0, 'this is no receipt of version 1')
  for (const { line, checkpoint, path } of entries) {
    checkCheckpoint(checkpoint, key)
    const top = path.reduce((so, { side, digest }) => (side === 'left' ? node(Buffer.from(digest, 'hex'), so) : node(so, Buffer.from(digest, 'hex'))), leaf(lineDigest(line)))
    demand(line.seq >= checkpoint.from && line.seq <= checkpoint.to && top.toString('hex') === checkpoint.root, `line ${line.seq} does not lead to its checkpoint`)
  }
  return `${entries.map(({ line }) => `line ${line.seq}: ${canonical(line.open).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')}`).join('\n')}\nsigned by the gateway, and given out ${new Date(at).toISOString()}`
}
// A line ends with a line feed and with nothing else.
export async function* linesOf(file) {
  let rest = Buffer.alloc(0), end
  for await (const chunk of createReadStream(file))
    for (rest = Buffer.concat([rest, chunk]); (end = rest.indexOf('\n')) >= 0; rest = rest.subarray(end + 1)) yield rest.subarray(0, end)
  if (rest.length > 0) yield rest
}
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  const [file = 'usage: node verify-records.mjs EXPORT.jsonl|RECEIPT.jws PUBLIC.json', publicKey = file] = process.argv.slice(2)
  try {
    const key = readKey(JSON.parse(readFileSync(publicKey, 'utf8')))
    console.log(file.endsWith('.jws') ? checkReceipt(readFileSync(file, 'utf8'), key) : await checkExport(linesOf(file), key))
  } catch (error) {
    console.log(`${file}${error.line === undefined ? '' : `:${error.line}`}: ${error.message.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')}`)
    process.exitCode = 1
  }
}
