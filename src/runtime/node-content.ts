/**
 * Where sealed content is kept on Node: a folder with a file for each UTC day.
 *
 * What it assumes: nothing; the folder may be moved, emptied or replaced at any time.
 * What it promises: only its owner reads it. When an append is fulfilled, the operating system has its lines: they outlive a crash of this
 * process, and not always a power cut. Lines that were written in part are closed before the next, which are whole. What waits
 * for a slow disk is bounded.
 */
import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ContentSink } from '../gateway/content.ts'
import { readContentKey, sealerFor } from '../record/content.ts'

export const CONTENT_SUFFIX = '.jwe'
/** Characters, which are bytes here. */
const WAITING_MAX = 64 * 1024 * 1024
const LINE_END = 0x0a

export type ContentOptions = { readonly folder: string; readonly keyFile: string; readonly place: string | undefined }

export type OpenedContent =
  /** `failed`: the folder cannot be used now, and why. */
  | { readonly ok: true; readonly sink: ContentSink; readonly failed: unknown }
  | { readonly ok: false; readonly wrong: string }

/** A key that is none is a mistake of whoever starts the gateway; a folder that cannot be used now may be again. */
export async function openContent({ folder, keyFile, place }: ContentOptions): Promise<OpenedContent> {
  let text: string
  try {
    text = await readFile(keyFile, 'utf8')
  } catch (error) {
    return { ok: false, wrong: `the content key ${keyFile} cannot be read (${codeOf(error)})` }
  }
  const read = readContentKey(text)
  if (!read.ok) return { ok: false, wrong: `${keyFile} is no key for content: ${read.wrong}` }
  try {
    const sink = { place, sealer: await sealerFor(read.jwk), append: appendingTo(folder) }
    return { ok: true, sink, failed: await makeFolder(folder).then(() => undefined, (error: unknown) => error) }
  } catch {
    return { ok: false, wrong: `${keyFile} is no key for content: it is not a point of its curve` }
  }
}

/** Appends, one after another. */
export function appendingTo(folder: string): ContentSink['append'] {
  let last: Promise<void> = Promise.resolve()
  let waiting = 0
  return (text, at) => {
    if (waiting + text.length > WAITING_MAX) return Promise.reject(Object.assign(new Error('too much waits to be written'), { code: 'EBUSY' }))
    waiting += text.length
    const mine = last.then(() => write(folder, text, at)).finally(() => { waiting -= text.length })
    // The next is tried whatever came of this one.
    last = mine.catch(() => undefined)
    return mine
  }
}

async function write(folder: string, text: string, at: number): Promise<void> {
  await makeFolder(folder)
  // Opened anew each time: whoever moves or deletes a file takes no later line with it.
  const file = await open(join(folder, `${new Date(at).toISOString().slice(0, 'YYYY-MM-DD'.length)}${CONTENT_SUFFIX}`), 'a+', 0o600)
  try {
    await file.chmod(0o600)
    const { size } = await file.stat()
    const end = size === 0 ? undefined : await file.read(Buffer.alloc(1), 0, 1, size - 1)
    await file.appendFile(end === undefined || end.buffer[0] === LINE_END ? text : `\n${text}`)
  } finally {
    await file.close()
  }
}

const makeFolder = (folder: string): Promise<unknown> => mkdir(folder, { recursive: true, mode: 0o700 })
const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown')
