/**
 * Whether a file has the shape of its kind: the compiled schemas find what is out of place, and this says it in words.
 *
 * What it assumes: a tree from parse.ts. What it promises: one mistake gives one message, at the word or value that is
 * wrong; whatever it lets pass has the blocks, lists and closed words that the rest of the compiler expects.
 */
import { deploymentFacts, requestFacts } from '../policy/facts.ts'
import { listed, nearest } from './nearest.ts'
import { DEPTH_MAX, entryOf, imitated, isPartial, plainValue, type Entry, type Spot, type Tree } from './parse.ts'
import type { Problem } from './problem.ts'
import { LANGUAGE, SCHEMAS, type Kind, type Schema } from './schema.ts'
import { app, catalog, exceptions, group, labels, policy, test, type ShapeError, type Validate } from './validators.gen.js'

const VALIDATORS: { readonly [kind in Kind]: Validate } = { app, catalog, exceptions, group, labels, policy, test }

/** Words whose value is a sentence: nothing of it may be lost, and it may be written in any alphabet. */
const SENTENCES: ReadonlySet<string> = new Set(['title', 'because', 'law', 'reason', 'basis', 'source', 'name', 'ticket'])
const SECRETS: ReadonlySet<string> = new Set(['key', 'key-hashes'])
const NAMES_OF_PEOPLE: ReadonlySet<string> = new Set(['owner', 'approver', 'requested-by', 'approved-by'])

/** Where each word of the language belongs: the titles of the blocks that take it. */
const homes: ReadonlyMap<string, ReadonlySet<string>> = findHomes()

function findHomes(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  const visit = (schema: unknown): void => {
    if (typeof schema !== 'object' || schema === null) return
    const { title, properties } = schema as Schema
    if (typeof title === 'string' && typeof properties === 'object') {
      for (const word of Object.keys(properties!)) found.set(word, (found.get(word) ?? new Set()).add(title))
    }
    for (const part of Object.values(schema)) visit(part)
  }
  for (const schema of Object.values(SCHEMAS)) visit(schema)
  return found
}

/** A file as it was probably meant: a misspelt word that was refused stands there as the word it was taken for. */
export type Checked = { readonly tree: Tree; readonly problems: readonly Problem[] }

/** Every mistake of shape in one file. The rest of it is judged as it was meant, so that one misspelt word is one mistake. */
export function checkShape(file: string, kind: Kind, written: Tree): Checked {
  const problems: Problem[] = []
  const refuse = (at: Spot, rule: string, wrong: string, write: string): void => {
    problems.push({ file, line: at.line, column: at.column, severity: 'error', rule, wrong, write })
  }
  checkText(written, refuse)

  let tree = written
  let errors = errorsOf(kind, tree)
  // A block under a misspelt word is seen only once the word is corrected; each round goes one block deeper.
  for (let round = 0; round < DEPTH_MAX; round++) {
    const corrections = errors.filter(e => e.keyword === 'additionalProperties').map(e => correctionOf(e, tree, refuse)).filter(c => c !== undefined)
    if (corrections.length === 0) break
    tree = corrected(tree, new Map(corrections))
    errors = errorsOf(kind, tree)
  }
  const lacking = new Map<string, string[]>()
  for (const { keyword, instancePath, params } of errors) {
    if (keyword === 'required' && !isPartial(find(tree, instancePath).node)) lacking.set(instancePath, [...lacking.get(instancePath) ?? [], String(params['missingProperty'])])
  }
  for (const error of errors) {
    if (error.keyword !== 'additionalProperties') continue
    const missing = lacking.get(error.instancePath)
    unknownWord(error, tree, missing?.length === 1 ? missing[0] : undefined, refuse)
    if (missing?.length === 1) lacking.delete(error.instancePath)
  }
  const said = new Set<string>()
  for (const error of errors) {
    if (error.keyword === 'additionalProperties') continue
    if (error.keyword === 'required') {
      const missing = lacking.get(error.instancePath)
      if (missing === undefined) continue
      lacking.delete(error.instancePath)
      refuse(find(tree, error.instancePath).node, 'missing-word', `${upper(blockName(error.parentSchema))} needs the word${missing.length > 1 ? 's' : ''} ${listed(missing, 'and')}`,
        `add ${missing.map(word => `"${word}: ..."`).join(', ')}`)
      continue
    }
    // A value of the wrong kind breaks several parts of the schema; the first says what was expected.
    if (said.has(error.instancePath) || (error.keyword === 'minProperties' && isPartial(find(tree, error.instancePath).node))) continue
    said.add(error.instancePath)
    wrongValue(error, kind, tree, refuse)
  }
  return { tree: marked(tree, '', new Set(errors.map(e => blockOf(e, tree)))), problems }
}

/** The pointer of the block that an error is in: of a wrong value, the block whose word it stands under. */
function blockOf({ keyword, instancePath }: ShapeError, tree: Tree): string {
  let pointer = keyword === 'additionalProperties' || keyword === 'required' ? instancePath : instancePath.slice(0, Math.max(0, instancePath.lastIndexOf('/')))
  while (pointer !== '' && find(tree, pointer).node.kind !== 'mapping') pointer = pointer.slice(0, pointer.lastIndexOf('/'))
  return pointer
}

/** The tree in which the blocks at these pointers say that something of them was refused. */
function marked(tree: Tree, pointer: string, blocks: ReadonlySet<string>): Tree {
  if (tree.kind === 'scalar') return tree
  if (tree.kind === 'list') return { ...tree, items: tree.items.map((item, i) => marked(item, `${pointer}/${i}`, blocks)) }
  return {
    ...tree, partial: tree.partial || blocks.has(pointer),
    entries: tree.entries.map(e => ({ ...e, value: marked(e.value, `${pointer}/${e.key.replaceAll('~', '~0').replaceAll('/', '~1')}`, blocks) })),
  }
}

function errorsOf(kind: Kind, tree: Tree): readonly ShapeError[] {
  const validate = VALIDATORS[kind]
  return validate(plainValue(tree)) ? [] : (validate.errors ?? []).filter(e => e.keyword !== 'if' && !('propertyName' in e))
}

/** The tree with words put right, by their entries. */
function corrected(tree: Tree, words: ReadonlyMap<Entry, string>): Tree {
  if (tree.kind === 'list') return { ...tree, items: tree.items.map(item => corrected(item, words)) }
  if (tree.kind === 'scalar') return tree
  return { ...tree, entries: tree.entries.map(e => ({ ...e, key: words.get(e) ?? e.key, value: corrected(e.value, words) })) }
}

type Refuse = (at: Spot, rule: string, wrong: string, write: string) => void

const upper = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1)
const blockName = (schema: Schema): string => (typeof schema['title'] === 'string' ? schema['title'] : 'this block')

/** The node that a JSON pointer leads to, and the entry or list it stands in. */
function find(tree: Tree, pointer: string): { readonly node: Tree; readonly entry: Entry | undefined } {
  let node = tree, entry: Entry | undefined
  for (const step of pointer.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
    if (node.kind === 'mapping') {
      const next = node.entries.find(e => e.key === key)
      if (next === undefined) break
      entry = next
      node = next.value
    } else if (node.kind === 'list') {
      const next = node.items[Number(key)]
      if (next === undefined) break
      node = next
    }
  }
  return { node, entry }
}

/** The entry of a word that does not belong where it is. */
function entryAt(error: ShapeError, tree: Tree): Entry {
  const { node } = find(tree, error.instancePath)
  return (node as Extract<Tree, { kind: 'mapping' }>).entries.find(e => e.key === String(error.params['additionalProperty']))!
}

const wordsOf = (error: ShapeError): readonly string[] => Object.keys(error.parentSchema['properties'] as Schema)
const unknownAt = ({ key, at }: Entry): string => `Unknown word ${key} at ${at.line}:${at.column}.`

/** Refuses a word that was probably meant to be another one, and says which; undefined when there is none so near. */
function correctionOf(error: ShapeError, tree: Tree, refuse: Refuse): readonly [Entry, string] | undefined {
  const entry = entryAt(error, tree)
  const { node } = find(tree, error.instancePath)
  const meant = nearest(entry.key, wordsOf(error).filter(w => entryOf(node, w) === undefined))
  if (meant === undefined) return undefined
  refuse(entry.at, 'unknown-word', `${unknownAt(entry)} Did you mean ${meant}?`, `write ${meant}`)
  return [entry, meant]
}

/** Refuses a word that is near to none. The one word that the block lacks is what it most likely stands for. */
function unknownWord(error: ShapeError, tree: Tree, missing: string | undefined, refuse: Refuse): void {
  const entry = entryAt(error, tree), word = entry.key, words = wordsOf(error)
  const title = blockName(error.parentSchema)
  const fact = requestFacts.has(word) ? 'request' : deploymentFacts.has(word) ? 'deployment' : undefined
  const home = [...homes.get(word) ?? []].filter(h => h !== title && h !== 'given' && h !== 'a person')
  const write = missing !== undefined ? `write ${missing}, which is missing here`
    : (word === 'at-least' || word === 'at-most') && title === 'what a rule asks of a fact' ? `${word} works only with classification, agent-depth and retention`
    : fact === 'request' && title.startsWith('a block about deployments') ? 'this word is about the request; it belongs under when, for or enforce-for'
    : fact === 'deployment' && title.startsWith('a block about the request') ? 'this word is about a deployment; it belongs under forbid, require, prefer or models'
    : home.length > 0 ? `this word belongs under ${listed(home)}`
    : `words that belong here are ${listed(words, 'and')}`
  refuse(entry.at, 'unknown-word', unknownAt(entry), write)
}

function wrongValue(error: ShapeError, kind: Kind, tree: Tree, refuse: Refuse): void {
  const { node, entry } = find(tree, error.instancePath)
  if (node.kind === 'scalar' && node.broken) return
  const name = entry?.key ?? 'The file'
  const text = node.kind === 'scalar' ? node.text : ''
  switch (error.keyword) {
    case 'type': {
      const types = [error.schema].flat() as readonly string[]
      const wanted = types.includes('object') ? 'a block of words' : types.includes('array') ? 'a list' : 'one value'
      const is = node.kind === 'scalar' ? `the text ${shown(text)}` : node.kind === 'list' ? 'a list' : 'a block of words'
      return refuse(node, 'wrong-shape', `${name} holds ${is} where ${wanted} is expected`,
        wanted === 'a list' ? 'start each item with a dash, or use [ and ]' : wanted === 'one value' ? 'write a single value' : 'write words with a colon below it, or inside { and }')
    }
    case 'enum': return wrongWord(text, name, node, kind, error, refuse)
    case 'pattern': {
      // "a date, such as 2026-11-30" and "a duration (a whole number and d or h, such as 30d)": what it is, and how it is written.
      const [what, how] = String(error.parentSchema['description']).split(/, (?=such as )| \(|\)/) as [string, string | undefined]
      const unit = what === 'a duration' && /^\d{1,6}$/.test(text) ? `${text}d` : undefined
      // What stands where a secret may stand is not repeated.
      const value = SECRETS.has(name) ? `The value of ${name}` : shown(text)
      return refuse(node, 'wrong-form', `${value} is not ${what}`, `write ${unit ?? how?.replace(/^such as /, 'it like ') ?? what}`)
    }
    case 'propertyNames':
      return refuse(node.kind === 'mapping' ? node.entries.find(e => e.key === error.params['propertyName'])!.at : node, 'wrong-form',
        `${shown(String(error.params['propertyName']))} cannot be the name of a header`, 'use letters, digits and dashes')
    case 'minLength': return refuse(node, 'no-value', `${name} is empty`, 'write a value, or delete the word')
    case 'minItems': return refuse(node, 'empty-list', `The list of ${name} is empty, and says nothing`, 'name something, or delete the word')
    case 'minProperties': return refuse(node, 'empty-block', `The block of ${name} is empty`, blockName(error.parentSchema).startsWith('a block about') ? 'write a fact, or all' : 'write something in it, or delete the word')
    case 'maxProperties': return refuse(node, 'too-many-words', 'A grant has exactly one of model and deployment', 'make two items of it; items are "or"')
    default: return refuse(node, 'wrong-shape', `${name} is not written as the language asks`, 'compare it with the reference')
  }
}

function shown(text: string): string {
  const line = text.replaceAll(/[\r\n]+/g, ' ')
  return line.length > 60 ? `${line.slice(0, 57)}...` : line === '' ? '(nothing)' : line
}

function wrongWord(text: string, name: string, at: Spot, kind: Kind, error: ShapeError, refuse: Refuse): void {
  const words = error.params['allowedValues'] as readonly string[]
  if (words[0] === LANGUAGE) {
    return refuse(at, 'unknown-language', `The file is written for ${shown(text)}; this program reads ${LANGUAGE}`, `write ${LANGUAGE}`)
  }
  if (text === 'unknown' && (kind === 'policy' || kind === 'exceptions')) {
    return refuse(at, 'unknown-asked', 'unknown cannot be asked for in a rule', 'leave it out; what is not known never satisfies a rule')
  }
  if (words[0] === 'yes' && words[1] === 'no') {
    const meant = /^(?:yes|true|on|y)$/i.test(text) ? 'yes' : /^(?:no|false|off|n)$/i.test(text) ? 'no' : undefined
    return refuse(at, 'not-yes-or-no', `${shown(text)} is neither yes nor no`, meant === undefined ? 'write yes or no' : `write ${meant}`)
  }
  const meant = nearest(text, words)
  const wrong = `${shown(text)} is not a value of ${name}.`
  if (meant !== undefined) refuse(at, 'unknown-value', `${wrong} Did you mean ${meant}?`, `write ${meant}`)
  else refuse(at, 'unknown-value', wrong, `write ${words.length === 1 ? String(error.parentSchema['description']) : listed(words)}`)
}

/** Finds sentences that a # cuts short, and look-alike letters in everything that is no sentence. */
function checkText(tree: Tree, refuse: Refuse, under = ''): void {
  if (tree.kind === 'mapping') return tree.entries.forEach(e => checkText(e.value, refuse, e.key))
  if (tree.kind === 'list') return tree.items.forEach(item => checkText(item, refuse, under))
  if (tree.broken) return
  if (SENTENCES.has(under)) {
    if (tree.comment !== undefined) {
      refuse(tree.comment, 'text-cut', 'Everything after # is ignored here. Put the sentence in quotes.', 'put the text in quotes, or the comment on a line of its own')
    }
    return
  }
  const latin = NAMES_OF_PEOPLE.has(under) ? undefined : imitated(tree.text)
  if (latin !== undefined) {
    refuse(tree, 'look-alike', `${shown(tree.text)} contains a letter of another alphabet that looks like a Latin one`, `type it again: ${shown(latin)}`)
  }
}
