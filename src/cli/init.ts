/** `bailiwick init DIR`: the policies that come with Bailiwick, as a folder to make one's own, with the schemas an editor reads. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { KINDS } from '../bundle/schema.ts'
import { schemaFile } from '../bundle/schema-published.ts'
import { UsageError, type Command } from './command.ts'
import { EXIT } from './exit.ts'

export const init: Command = {
  name: 'init',
  words: 'DIR',
  wordsMax: 1,
  says: 'Writes a starter policies folder.',
  options: {},
  async run({ words: [folder] }, host) {
    if (folder === undefined) throw new UsageError('init needs the folder to write: init policies')
    if (!await isFree(folder)) throw new UsageError(`${folder} exists and is not an empty folder; nothing was written.`)
    const starter = await host.readFolder(host.starterFolder)
    if (!starter.ok) throw new Error(starter.wrong)
    for (const [name, text] of [...starter.sources, ...KINDS.map(schemaFile)]) {
      const path = join(folder, name)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, text, { flag: 'wx' })
    }
    host.out([
      `Wrote ${starter.sources.size} policy files and ${KINDS.length} schemas to ${folder}.`, '',
      'Next:',
      ...[
        [`check ${folder}`, 'see that they compile'],
        [`test ${folder}`, 'run their tests'],
        [`keys new APP --policies ${folder}`, 'make a key for one of the apps'],
        [`serve --policies ${folder}`, 'answer requests'],
      ].map(([words, what]) => `  bailiwick ${words!.padEnd(`keys new APP --policies ${folder}`.length)}  ${what}`), '',
    ].join('\n'))
    return EXIT.fine
  },
}

async function isFree(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length === 0
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT') return true
    if (code === 'ENOTDIR') return false
    throw error
  }
}
