/**
 * What a check has to say in the forms that other tools read: SARIF 2.1.0 (OASIS standard of 2020-03-27) and the workflow
 * commands of GitHub Actions (docs.github.com, "Workflow commands").
 */
import { posix } from 'node:path'

export type Remark = {
  /** Relative to the policies folder; empty when it is about no file. */
  readonly file: string
  readonly line: number
  readonly column: number
  readonly level: 'error' | 'warning' | 'note'
  /** A stable word for machines. */
  readonly rule: string
  readonly text: string
}

/** Where the folder was given as a relative path, files are named from where the command runs: that is what both tools resolve. */
function pathFrom(folder: string, file: string): string {
  const written = folder.replaceAll('\\', '/')
  return posix.isAbsolute(written) || /^[A-Za-z]:/.test(written) ? file : posix.join(written, file)
}

/** A SARIF log with one run. Columns count UTF-16 code units, as the compiler does. */
export function inSarif(remarks: readonly Remark[], { folder, version }: { readonly folder: string; readonly version: string }): string {
  return `${JSON.stringify({
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [{
      tool: { driver: { name: 'bailiwick', version, rules: [...new Set(remarks.map(r => r.rule))].sort().map(id => ({ id })) } },
      columnKind: 'utf16CodeUnits',
      results: remarks.map(({ file, line, column, level, rule, text }) => ({
        ruleId: rule, level, message: { text },
        ...(file !== '' && { locations: [{ physicalLocation: { artifactLocation: { uri: encodeURI(pathFrom(folder, file)) }, region: { startLine: line, startColumn: column } } }] }),
      })),
    }],
  }, undefined, 2)}\n`
}

const COMMANDS = { error: 'error', warning: 'warning', note: 'notice' } as const
const escaped = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
const escapedProperty = (text: string): string => escaped(text).replaceAll(':', '%3A').replaceAll(',', '%2C')

/** One workflow command a line. */
export function inWorkflowCommands(remarks: readonly Remark[], folder: string): string {
  return remarks.map(({ file, line, column, level, rule, text }) => {
    const place = file === '' ? '' : `file=${escapedProperty(pathFrom(folder, file))},line=${line},col=${column},`
    return `::${COMMANDS[level]} ${place}title=${escapedProperty(rule)}::${escaped(text)}\n`
  }).join('')
}
