/**
 * A policies folder as it stands in a git revision.
 *
 * What it assumes: a `git` on the path; nothing of the working tree. What it promises: what `readPolicies` would give if the
 * revision were checked out, or a sentence that says why not. A link in the tree is refused: to leave it out would lose rules.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { ReadFolder } from '../cli/host.ts'

const FILES_MAX = 4_096
const BYTES_MAX = 256 * 1024 * 1024
const LINE_FEED = 10

/** `REV` reads `folder` as it stands there; `REV:path` the path from the root of the repository, or from here with `./`. */
export async function readRevision(revision: string, folder: string): Promise<ReadFolder> {
  const colon = revision.indexOf(':')
  const rev = colon < 0 ? revision : revision.slice(0, colon), path = colon < 0 ? './' : revision.slice(colon + 1)
  const cwd = colon < 0 ? folder : '.'
  const refuse = (wrong: string): ReadFolder => ({ ok: false, wrong })
  if (rev === '' || rev.startsWith('-')) return refuse(`'${revision}' names no git revision.`)
  if (!existsSync(cwd)) return refuse(`${folder} does not exist, so '${revision}' cannot be read there: write ${rev}:path with the path of the policies in the repository.`)

  const version = await git(['--version'], cwd)
  if (!version.ok) return refuse(`'${revision}' is a git revision, and git is not there to read it.`)
  if (!(await git(['rev-parse', '--git-dir'], cwd)).ok) return refuse(`'${revision}' cannot be read: ${cwd === '.' ? 'this folder' : cwd} is not in a git repository.${colon < 0 ? ` To name another folder write ${rev}:path.` : ''}`)
  if (!(await git(['rev-parse', '--verify', '--quiet', `${rev}^{commit}`], cwd)).ok) return refuse(`'${rev}' is no revision that git knows here.`)
  const tree = await git(['rev-parse', '--verify', '--quiet', `${rev}:${path}`], cwd)
  const listed = tree.ok ? await git(['ls-tree', '-r', '-z', '--full-tree', tree.out.toString().trim()], cwd) : tree
  if (!listed.ok) return refuse(`${rev} holds no folder ${colon < 0 ? folder : path}.`)

  const files = listed.out.toString().split('\0').filter(row => row !== '').map(row => {
    const [, mode, object, name] = /^(\d+) \w+ ([0-9a-f]+)\t([\s\S]+)$/.exec(row)!
    return { mode: mode!, object: object!, name: name! }
  }).filter(({ name }) => !name.split('/').some(step => step.startsWith('.')))
  const link = files.find(({ mode }) => mode === '120000' || mode === '160000')
  if (link !== undefined) return refuse(`${link.name} of ${revision} is a link or another repository, which cannot be read from a revision: check it out and give the folder.`)
  const policies = files.filter(({ name }) => /\.ya?ml$/i.test(name))
  if (policies.length === 0) return refuse(`${revision} holds no policy files (*.yaml).`)
  if (policies.length > FILES_MAX) return refuse(`${revision} holds more than ${FILES_MAX} files.`)

  const contents = await git(['cat-file', '--batch'], cwd, policies.map(({ object }) => `${object}\n`).join(''))
  if (!contents.ok) return refuse(`The files of ${revision} cannot be read from git.`)
  const texts = blobsOf(contents.out)
  return { ok: true, sources: new Map(policies.map(({ name }, i) => [name, texts[i]!])) }
}

/** The blobs that `git cat-file --batch` gives: a line `OBJECT blob SIZE`, so many bytes, a line feed, and the next. */
function blobsOf(bytes: Buffer): readonly string[] {
  const texts: string[] = []
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(LINE_FEED, start)
    const size = Number(bytes.subarray(start, end).toString().split(' ')[2])
    texts.push(bytes.subarray(end + 1, end + 1 + size).toString())
    start = end + 1 + size + 1
  }
  return texts
}

type Ran = { readonly ok: true; readonly out: Buffer } | { readonly ok: false }

function git(args: readonly string[], cwd: string, input = ''): Promise<Ran> {
  return new Promise(resolve => {
    const child = execFile('git', args, { cwd, encoding: 'buffer', maxBuffer: BYTES_MAX }, (error, out) => resolve(error === null ? { ok: true, out } : { ok: false }))
    // A git that is not there, or that ends before it has read, is told by its end.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}
