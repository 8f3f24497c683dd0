import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { createBundles, readBundle, type Bundles } from '../../src/runtime/node-bundles.ts'
import { FOLDER, NOT_KEPT, STAYS, withRules } from '../cli/officer-folder.ts'
import { running, host, type Host } from '../gateway/running.ts'
import { cleanUp, folderOf, freshFolder, serve, type Serving } from '../support/processes.ts'
import { bundleOf } from '../support/tree.ts'
import { chat, onlyIn, PLACE_RULE, readiness, REHEARSAL } from './places.ts'

const SOON_MS = 10_000
const named = ({ digest: bundle, catalogDigest: catalog }: Bundle): { readonly bundle: string; readonly catalog: string } => ({ bundle, catalog })
const fileOf = (data: string, { digest, catalogDigest }: Bundle): string => join(data, 'bundles', `${digest}-${catalogDigest}.json`)

describe('the store of bundles', () => {
  let at: Host, gateway: Gateway, data: string, bundle: Bundle, bundles: Bundles
  beforeEach(async () => {
    at = host()
    data = freshFolder()
    bundle = await bundleOf(FOLDER)
    gateway = running(at, bundle).gateway
    bundles = createBundles({ data, version: '1.2.3', gateway })
  })
  afterEach(async () => {
    await bundles.end()
    await at.settled()
    await at.close()
    await cleanUp()
  })
  const alarm = (): string | undefined => gateway.alarms().find(a => a.name === 'bundles')?.message

  it('keeps a bundle under its two digests, readable by its owner alone, and gives it back', async () => {
    await bundles.keep(bundle)
    expect(readdirSync(join(data, 'bundles'))).toEqual([`${bundle.digest}-${bundle.catalogDigest}.json`])
    expect([statSync(join(data, 'bundles')).mode & 0o777, statSync(fileOf(data, bundle)).mode & 0o777]).toEqual([0o700, 0o600])
    const again = await readBundle(data, named(bundle))
    expect(again).toMatchObject({ ok: true, version: '1.2.3', bundle: { digest: bundle.digest, catalogDigest: bundle.catalogDigest } })
    expect(alarm()).toBeUndefined()
  })

  it('never writes a file again, and takes one that an earlier version kept', async () => {
    await bundles.keep(bundle)
    const { mtimeMs, ino } = statSync(fileOf(data, bundle))
    await createBundles({ data, version: '1.3.0', gateway }).keep(bundle)
    expect([statSync(fileOf(data, bundle)).mtimeMs, statSync(fileOf(data, bundle)).ino, alarm()]).toEqual([mtimeMs, ino, undefined])
  })

  it('raises an alarm where it cannot write, and keeps the bundle when it can', async () => {
    writeFileSync(join(data, 'bundles'), 'a file in its way')
    await bundles.keep(bundle)
    expect(alarm()).toMatch(/^A bundle of policies cannot be kept \((?:ENOTDIR|EEXIST)\)/)
    const other = await bundleOf(withRules(STAYS, NOT_KEPT))
    await bundles.keep(other)
    expect(alarm()).toMatch(/^2 bundles/)
    at.clock.advance(1_000)
    await at.settled()
    expect(alarm()).toMatch(/^2 bundles/)
    rmSync(join(data, 'bundles'))
    at.clock.advance(1_000)
    await at.settled()
    expect(alarm()).toBeUndefined()
    expect([existsSync(fileOf(data, bundle)), existsSync(fileOf(data, other))]).toEqual([true, true])
  })

  it('a disk that does not answer holds up nobody for longer than a second', async () => {
    mkdirSync(join(data, 'bundles'))
    const stuck = `${fileOf(data, bundle)}.unfinished`
    execFileSync('mkfifo', [stuck])
    let hasReturned = false
    const kept = bundles.keep(bundle).then(() => { hasReturned = true })
    at.clock.advance(999)
    await new Promise(resolve => { setImmediate(resolve) })
    expect(hasReturned).toBe(false)
    at.clock.advance(1)
    await kept
    // Somebody reads it at last, so that it can be opened for writing.
    await readFile(stuck)
    await at.settled()
    expect(alarm()).toContain('cannot be kept')
    rmSync(stuck)
  })

  it('tries once more at the end', async () => {
    writeFileSync(join(data, 'bundles'), 'a file in its way')
    await bundles.keep(bundle)
    rmSync(join(data, 'bundles'))
    await bundles.end()
    expect(existsSync(fileOf(data, bundle))).toBe(true)
  })

  it('says so where a file of that name holds something else, and leaves it alone', async () => {
    mkdirSync(join(data, 'bundles'))
    writeFileSync(fileOf(data, bundle), 'something else')
    await bundles.keep(bundle)
    expect(alarm()).toContain('holds something else')
    expect(readFileSync(fileOf(data, bundle), 'utf8')).toBe('something else')
    rmSync(fileOf(data, bundle))
    at.clock.advance(1_000)
    await at.settled()
    expect([alarm(), existsSync(fileOf(data, bundle))]).toEqual([undefined, true])
  })

  it('what a crash left unfinished is no bundle and in nobody\'s way', async () => {
    mkdirSync(join(data, 'bundles'))
    writeFileSync(`${fileOf(data, bundle)}.unfinished`, '{"format":')
    expect(await readBundle(data, named(bundle))).toMatchObject({ ok: false, wrong: expect.stringContaining('is not there') as string })
    await bundles.keep(bundle)
    expect(await readBundle(data, named(bundle))).toMatchObject({ ok: true })
  })

  it.each([
    ['nothing', undefined, 'is not there'], ['no JSON', '{', 'no JSON'], ['another bundle', 'other', 'holds another bundle'], ['a changed one', 'changed', 'not what it was made of'],
  ])('reads %s as none, and says why', async (_, what, wrong) => {
    const other = await bundleOf(withRules(STAYS, NOT_KEPT))
    await bundles.keep(bundle)
    await bundles.keep(other)
    const text = readFileSync(fileOf(data, bundle), 'utf8')
    if (what === undefined) rmSync(fileOf(data, bundle))
    else writeFileSync(fileOf(data, bundle), what === 'other' ? readFileSync(fileOf(data, other), 'utf8') : what === 'changed' ? text.replace('[FR]', '[DE]') : what)
    expect(await readBundle(data, named(bundle))).toMatchObject({ ok: false, wrong: expect.stringContaining(wrong) as string })
  })

  it('takes no name out of a record that is no digest', async () => {
    expect(await readBundle(data, { bundle: '../../etc', catalog: bundle.catalogDigest })).toEqual({ ok: false, wrong: 'the decision names no bundle' })
  })
})

describe('a gateway in a process of its own', () => {
  afterEach(cleanUp)

  const kept = ({ data }: Serving): readonly string[] => readdirSync(join(data, 'bundles')).filter(name => name.endsWith('.json'))

  it('has kept its bundle before it is ready, and another before it decides', async () => {
    const policies = folderOf(REHEARSAL)
    const gateway = await serve(policies)
    const [first] = kept(gateway)
    expect(first!.startsWith(gateway.bundle)).toBe(true)
    mkdirSync(join(policies, 'rules'))
    writeFileSync(join(policies, PLACE_RULE), onlyIn('DE'))
    await vi.waitFor(async () => expect((await chat(gateway)).status).toBe(403), { timeout: SOON_MS })
    const { bundle } = await readiness(gateway)
    expect(kept(gateway)).toHaveLength(2)
    expect(kept(gateway).some(name => name.startsWith(bundle))).toBe(true)
  })

  it('changes the law though the store cannot be written, says so, and keeps it later', async () => {
    const policies = folderOf(REHEARSAL)
    const gateway = await serve(policies)
    const folder = join(gateway.data, 'bundles')
    rmSync(folder, { recursive: true })
    writeFileSync(folder, 'a file in its way')
    mkdirSync(join(policies, 'rules'))
    writeFileSync(join(policies, PLACE_RULE), onlyIn('DE'))
    await vi.waitFor(async () => expect((await chat(gateway)).status).toBe(403), { timeout: SOON_MS })
    expect((await readiness(gateway)).alarms.map(a => a.name)).toContain('bundles')
    rmSync(folder)
    await gateway.logged(line => line.event === 'alarm-over' && line['alarm'] === 'bundles')
    expect(kept(gateway)).toHaveLength(1)
  })
})
