/** The findings of `bailiwick test`: for people, for tools, and for what shows test reports (JUnit's form). */
import { isExercised, type PolicyCase, type RuleCoverage } from '../policy/case.ts'
import type { Mutation, MutationReport } from '../policy/mutations.ts'
import type { Place } from '../policy/rule.ts'
import { inUtc } from '../policy/time.ts'
import type { Tested } from './test.ts'

const PLACES_SHOWN = 8

const placeOf = ({ file, line }: Place): string => `${file}:${line}`

/** A line a case, grouped by file; below a case that failed, why. */
export function testedInText(tested: Tested): string {
  const { files, passed, failed, coverage, mutations, ended } = tested
  return [
    ...files.flatMap(({ file, cases }) => [
      file,
      ...cases.flatMap(({ one, verdict: { complaints } }) => (complaints.length === 0
        ? [`  passed  ${one.name}`]
        : [`  FAILED  ${one.name}  ${placeOf(one.place)}`, ...complaints.map(c => `          ${c}`)])),
      '',
    ]),
    ...(ended === undefined || ended.length === 0 ? [] : [
      'ended by then', ...ended.map(e => `  ${e.day}  ${e.turn === 'enforces' ? `the dry run of ${e.what}, which now enforces` : `${e.kind} ${e.what}`}`), '',
    ]),
    ...(coverage === undefined ? [] : coverageInText(coverage)),
    ...(mutations === undefined ? [] : mutationsInText(mutations)),
    `cases ${passed} passed, ${failed} failed`, '',
  ].join('\n')
}

function coverageInText(coverage: readonly RuleCoverage[]): readonly string[] {
  const idle = coverage.filter(c => !isExercised(c))
  const line = (word: string, cases: readonly PolicyCase[]): readonly string[] => (cases.length === 0 ? [] : [`  ${word}  ${placesOf(cases)}`])
  return [
    ...coverage.filter(isExercised).flatMap(c => [
      `${c.rule}  ${placeOf(c.place)}`, ...line('bit       ', c.bit), ...line('would bite', c.wouldBite), ...line('active    ', c.active.filter(one => !c.bit.includes(one) && !c.wouldBite.includes(one))),
    ]),
    '',
    ...(idle.length === 0 ? [] : ['seen at work in no case', ...idle.map(c => `  ${c.rule}  ${placeOf(c.place)}${c.active.length > 0 ? `  active in ${c.active.length}, without effect` : ''}`), '']),
    `rules ${coverage.length - idle.length} of ${coverage.length} seen at work`,
  ]
}

/** `rules/gdpr.test.yaml:5, :10 and rules/order.test.yaml:8`. */
function placesOf(cases: readonly PolicyCase[]): string {
  const shown = cases.slice(0, PLACES_SHOWN)
  const texts = shown.map(({ place }, i) => (place.file === shown[i - 1]?.place.file ? `:${place.line}` : placeOf(place)))
  return `${texts.join(', ')}${cases.length > shown.length ? ` and ${cases.length - shown.length} more` : ''}`
}

function mutationsInText({ tried, killed, equal, survivors }: MutationReport): readonly string[] {
  return [
    ...(survivors.length === 0 ? [] : ['no case notices', ...survivors.map(m => `  ${placeOf(m.place)}  ${m.rule}  ${m.change}`), '']),
    `mutations ${killed} of ${tried} noticed${equal.length === 0 ? '' : `; ${equal.length} left out that no case could notice over this catalog`}`,
  ]
}

const mutationInJson = ({ rule, place, change }: Mutation): object => ({ rule, file: place.file, line: place.line, change })

export function testedInJson({ files, passed, failed, coverage, mutations, ended }: Tested): string {
  const casesIn = (cases: readonly PolicyCase[]): readonly object[] => cases.map(({ name, place }) => ({ name, file: place.file, line: place.line }))
  return `${JSON.stringify({
    passed, failed,
    files: files.map(({ file, cases }) => ({
      file,
      cases: cases.map(({ one, verdict }) => ({ name: one.name, line: one.place.line, at: inUtc(one.at), passed: verdict.complaints.length === 0, complaints: verdict.complaints })),
    })),
    ...(ended && { ended: ended.map(({ at, kind, what, turn, place }) => ({ at: inUtc(at), kind, what, turn, ...(place && { file: place.file, line: place.line }) })) }),
    ...(coverage && {
      coverage: coverage.map(c => ({
        rule: c.rule, file: c.place.file, line: c.place.line, exercised: isExercised(c), bit: casesIn(c.bit), 'would-bite': casesIn(c.wouldBite), active: casesIn(c.active),
      })),
    }),
    ...(mutations && {
      mutations: { tried: mutations.tried, killed: mutations.killed, equal: mutations.equal.map(mutationInJson), survivors: mutations.survivors.map(mutationInJson) },
    }),
  }, undefined, 2)}\n`
}

/** A suite for each file, and one for the mutations: each survivor is a failure. */
export function testedInJunit({ files, passed, failed, mutations }: Tested): string {
  const survivors = mutations?.survivors ?? []
  const suite = (name: string, cases: readonly { readonly name: string; readonly place: Place; readonly complaints: readonly string[] }[]): readonly string[] => [
    `  <testsuite name="${inXml(name)}" tests="${cases.length}" failures="${cases.filter(c => c.complaints.length > 0).length}">`,
    ...cases.map(c => {
      const head = `    <testcase name="${inXml(c.name)}" classname="${inXml(name)}" file="${inXml(c.place.file)}" line="${c.place.line}"`
      const [first] = c.complaints
      return first === undefined ? `${head}/>` : `${head}>\n      <failure message="${inXml(first)}">${inXml(c.complaints.join('\n'))}</failure>\n    </testcase>`
    }),
    '  </testsuite>',
  ]
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites tests="${passed + failed + survivors.length}" failures="${failed + survivors.length}">`,
    ...files.flatMap(({ file, cases }) => suite(file, cases.map(({ one, verdict }) => ({ ...one, complaints: verdict.complaints })))),
    ...(survivors.length === 0 ? [] : suite('mutations', survivors.map(m => ({ name: `${m.rule} ${m.change}`, place: m.place, complaints: ['No case notices.'] })))),
    '</testsuites>', '',
  ].join('\n')
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\n': '&#10;' }
const inXml = (text: string): string => text.replaceAll(/[&<>"\n]/g, sign => ENTITIES[sign]!)
