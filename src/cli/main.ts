/**
 * What this is for: the command line. `main` finds the command, reads its arguments and runs it.
 *
 * What it assumes: the host gives time, streams and files; nothing here ends the process.
 * What it promises: the exit codes of policy-language, section 10; a word that is not understood is never ignored.
 */
import { helpFor, maybe, readArguments, UsageError, type Command } from './command.ts'
import { calendar } from './calendar.ts'
import { check } from './check.ts'
import { contentCommand } from './content.ts'
import { coverageCommand } from './coverage.ts'
import { directiveCommand } from './directive.ts'
import { drill } from './drill.ts'
import { exceptionsCommand } from './exceptions.ts'
import { EXIT } from './exit.ts'
import { explainCommand } from './explain.ts'
import type { Host } from './host.ts'
import { impactCommand } from './impact.ts'
import { init } from './init.ts'
import { keys } from './keys.ts'
import { packCommand } from './pack.ts'
import { quarantineCommand } from './quarantine.ts'
import { receiptCommand } from './receipt.ts'
import { recordsCommand } from './records.ts'
import { rehearse } from './rehearse.ts'
import { replayCommand } from './replay.ts'
import { sentences } from './sentences.ts'
import { serve } from './serve.ts'
import { test } from './test.ts'

const COMMANDS: readonly Command[] = [serve, check, test, explainCommand, impactCommand, coverageCommand, replayCommand, recordsCommand, receiptCommand, contentCommand, drill, directiveCommand, quarantineCommand, calendar, exceptionsCommand, sentences, packCommand, keys, init, rehearse]
const HELP = ['--help', '-h', 'help']
const VERSION = ['--version', '-v', 'version']

/** Runs one command; the number is the exit code. Throws only when something of ours is broken. */
export async function main(argv: readonly string[], host: Host): Promise<number> {
  const [first, ...rest] = argv
  try {
    if (first === undefined) {
      host.err(helpForAll())
      return EXIT.usage
    }
    if (HELP.includes(first)) {
      const about = rest[0] === undefined ? undefined : commandNamed(rest[0])
      host.out(about === undefined ? helpForAll() : helpFor(about))
      return EXIT.fine
    }
    if (VERSION.includes(first)) {
      host.out(`bailiwick ${host.version}\n`)
      return EXIT.fine
    }
    const command = commandNamed(first)
    if (rest.includes('--help') || rest.includes('-h')) {
      host.out(helpFor(command))
      return EXIT.fine
    }
    return await command.run(readArguments(command, rest, host), host)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    host.err(`bailiwick: ${error.message}\nSee bailiwick --help.\n`)
    return EXIT.usage
  }
}

function commandNamed(name: string): Command {
  const command = COMMANDS.find(c => c.name === name)
  if (command === undefined) throw new UsageError(`'${name}' is not a command.${maybe(name, COMMANDS.map(c => c.name))}`)
  return command
}

function helpForAll(): string {
  const width = Math.max(...COMMANDS.map(c => c.name.length))
  return [
    'bailiwick <command> [options]', '',
    '  An OpenAI-compatible gateway that sends every prompt only where it may lawfully go.', '',
    ...COMMANDS.map(c => `  ${c.name.padEnd(width)}  ${c.says}`), '',
    '  bailiwick <command> --help says more. Exit codes: 0 fine, 2 usage, 3 does not compile, 4 refused, 5 overdue, 1 anything else.', '',
  ].join('\n')
}
