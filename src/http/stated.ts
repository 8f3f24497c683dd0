/**
 * What the caller states in x-bailiwick-* headers.
 *
 * What it promises: a header that would be ignored is refused by name; a value of the wrong form is refused with its
 * header; a well-formed word that the vocabulary does not hold goes on, to be read as unknown, and is reported by header
 * name alone (policy-language, section 13, case 1). Nothing here is trusted: classify/ and policy/ only narrow by it.
 */
import { nearest } from '../bundle/nearest.ts'
import { STATABLE } from '../classify/classify.ts'
import { failure, type Failure } from '../failure.ts'
import { CLASSIFICATIONS, requestFacts, type FactDefinition } from '../policy/facts.ts'
import { lawsNamed, readRequestFact, type RawFacts } from '../policy/request.ts'
import type { Rulebook } from '../policy/rule.ts'

export type Stated =
  | { readonly ok: true; readonly facts: RawFacts; readonly dryRun: boolean; readonly unread: readonly string[] }
  | { readonly ok: false; readonly failure: Failure }

const PREFIX = 'x-bailiwick-'
const KNOWN = [...STATABLE, 'dry-run', 'subject'].map(name => PREFIX + name)
const ELEMENTS_MAX = 64

const COUNTRY = { form: /^[A-Z]{2}(-[A-Z0-9]{1,3})?$/, says: 'two capital letters such as FR, or a part of a country such as CA-QC' }
const YES_NO = { form: /^(yes|no)$/, says: 'yes or no' }
const WORD = { form: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, says: 'a word of letters, digits, dots and dashes' }
const WORDS = { form: /^[A-Za-z0-9]([A-Za-z0-9._ -]{0,62}[A-Za-z0-9])?$/, says: 'a word or a few' }
const CLASSIFICATION = { form: new RegExp(`^(${CLASSIFICATIONS.join('|')})$`), says: `one of ${CLASSIFICATIONS.join(', ')}` }

/** How one element of a fact may be written in a header. */
function formOf({ name, type }: FactDefinition): typeof WORD {
  if (name === 'classification') return CLASSIFICATION
  if (type === 'country') return COUNTRY
  if (type === 'yes-no') return YES_NO
  return type === 'free' ? WORDS : WORD
}

export function readStated(headers: Headers, rulebook: Rulebook): Stated {
  const refuse = (header: string, message: string): Stated => ({ ok: false, failure: failure('invalid_request', message, { param: header }) })
  const facts: Record<string, unknown> = {}
  const unread: string[] = []
  let dryRun = false
  for (const [header, text] of headers) {
    if (!header.startsWith(PREFIX)) continue
    const name = header.slice(PREFIX.length)
    if (name === 'subject') return refuse(header, `${header} cannot be checked: no issuer of subject tokens is configured. Leave the header out.`)
    if (name === 'dry-run') {
      if (!YES_NO.form.test(text)) return refuse(header, `${header} must be ${YES_NO.says}.`)
      dryRun = text === 'yes'
      continue
    }
    const definition = (STATABLE as readonly string[]).includes(name) ? requestFacts.get(name) : undefined
    if (definition === undefined) return refuse(header.slice(0, 64), unknownHeader(header))
    const { form, says } = formOf(definition)
    const elements = definition.shape === 'set' ? text.split(',').map(e => e.trim()) : [text]
    if (elements.length > ELEMENTS_MAX) return refuse(header, `${header} holds more than ${ELEMENTS_MAX} elements.`)
    if (elements.includes('')) return refuse(header, `${header} is empty or has an empty element. Leave the header out when nothing is known.`)
    if (!elements.every(e => form.test(e))) return refuse(header, `${definition.shape === 'set' ? `Each element of ${header}` : header} must be ${says}.`)
    if (new Set(elements).size < elements.length) return refuse(header, `${header} repeats an element.`)
    const value = definition.shape === 'set' ? elements : text
    const isRead = readRequestFact(name, value, rulebook) !== undefined && (name !== 'governed-by' || elements.every(law => lawsNamed(rulebook).has(law)))
    if (isRead) facts[name] = value
    else unread.push(header)
  }
  return { ok: true, facts, dryRun, unread }
}

function unknownHeader(header: string): string {
  const meant = nearest(header, KNOWN)
  return `${header.slice(0, 64)} is not a header that Bailiwick reads. ${meant === undefined ? `Known are ${KNOWN.join(', ')}.` : `Did you mean ${meant}?`}`
}
