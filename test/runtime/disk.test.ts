/** What becomes of requests and of the chain when the disk is full, or lets nobody write. The disks are real and small. */
import { afterEach, describe, expect, it } from 'vitest'
import type { OutcomeEntry } from '../../src/record/record.ts'
import { openRecorder } from '../../src/runtime/node-recorder.ts'
import { follow } from '../crash/follow.ts'
import { cleanUp, folderOf, serve, bailiwick } from '../support/processes.ts'
import { breakable, folderOn, NO_DISK, readOnly, tmpfs, writable, type SmallDisk } from '../support/small-disk.ts'
import { chat, readiness, REHEARSAL } from './places.ts'

const outcome = (id: string): OutcomeEntry => ({ kind: 'outcome', id, at: 1, outcome: 'answered', attempts: [], ms: 3, duties: ['x'.repeat(2_000)] })
const disks: SmallDisk[] = []
/** What cannot be checked on this machine is said, and is no success of this code. */
function used<D extends SmallDisk>(disk: D | undefined): D | undefined {
  if (disk === undefined) console.warn(NO_DISK)
  else disks.push(disk)
  return disk
}
afterEach(async () => {
  await cleanUp()
  for (const disk of disks.splice(0)) disk.close()
})

describe('a full disk', () => {
  it('takes no entry, and the chain goes on where it stood when there is room again', async () => {
    const disk = used(tmpfs(8))
    if (disk === undefined) return
    const data = folderOn(disk), recorder = await openRecorder(data, { checkpointEvery: 20 }), following = follow(data)
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 50; n++) await recorder.append(outcome(`kept-${round}-${n}`))
      disk.fill()
      const refused: unknown[] = []
      for (let n = 0; n < 3_000 && refused.length < 5; n++) await recorder.append(outcome(`late-${round}-${n}`)).catch((error: unknown) => refused.push((error as NodeJS.ErrnoException).code))
      expect(refused).toEqual(Array.from({ length: 5 }, () => 'ENOSPC'))
      disk.free()
      await recorder.append(outcome(`again-${round}`))
      const { wrong, entries } = await following.on()
      expect(wrong).toEqual([])
      expect(entries.at(-1)).toMatchObject({ id: `again-${round}` })
    }
    await recorder.close()
    await (await openRecorder(data)).close()
    expect((await following.on()).wrong).toEqual([])
  })

  it('is no place for the next file: the lines go into the one that is there', async () => {
    const disk = used(tmpfs(8))
    if (disk === undefined) return
    const data = folderOn(disk), failures: unknown[] = []
    const recorder = await openRecorder(data, { segmentLines: 120, failed: error => failures.push(error) }), following = follow(data)
    for (let n = 0; n < 100; n++) await recorder.append(outcome(`a${n}`))
    disk.fill()
    let kept = 0
    for (let n = 0; n < 200; n++) await recorder.append(outcome(`b${n}`)).then(() => { kept++ }, () => undefined)
    disk.free()
    for (let n = 0; n < 300; n++) await recorder.append(outcome(`c${n}`))
    await recorder.close()
    const { wrong, entries } = await following.on()
    expect(wrong).toEqual([])
    expect(entries.filter(e => e.kind === 'outcome')).toHaveLength(400 + kept)
  })

  it('refuses requests with a code and an alarm, and takes them again when there is room', async () => {
    const disk = used(tmpfs(8))
    if (disk === undefined) return
    const gateway = await serve(folderOf(REHEARSAL), { data: folderOn(disk) })
    expect((await chat(gateway)).status).toBe(200)
    disk.fill()
    // Some still find room in what the file had taken before.
    let answer = await chat(gateway)
    for (let n = 0; n < 2_000 && answer.status === 200; n++) answer = await chat(gateway)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).not.toBeNull()
    expect(await answer.json()).toMatchObject({ error: { code: 'cannot_record' } })
    expect(await readiness(gateway)).toMatchObject({ status: 'degraded', alarms: [{ name: 'records', message: expect.stringContaining('ENOSPC') as string }] })
    disk.free()
    expect((await chat(gateway)).status).toBe(200)
    expect(await readiness(gateway)).toMatchObject({ status: 'ready' })
    expect(await gateway.stop()).toBe(0)
    expect((await follow(gateway.data).on()).wrong).toEqual([])
  })
})

describe('a disk that can only be read', () => {
  it('lets no gateway start, and lets it start where it was left when it can be written to again', async () => {
    const disk = used(tmpfs(8))
    if (disk === undefined) return
    const data = folderOn(disk), policies = folderOf(REHEARSAL)
    const first = await serve(policies, { data })
    await (await chat(first)).text()
    await first.stop()
    readOnly(disk)
    const refused = await bailiwick(['serve', '--port', '0', '--policies', policies, '--data', data])
    expect(refused.code).not.toBe(0)
    expect(refused.err).toContain(data)
    writable(disk)
    const second = await serve(policies, { data })
    expect((await chat(second)).status).toBe(200)
    await second.stop()
    expect((await follow(data).on()).wrong).toEqual([])
  })

  it('refuses requests with a code and an alarm when it becomes one under a running gateway', async () => {
    const disk = used(breakable())
    if (disk === undefined) return
    const gateway = await serve(folderOf(REHEARSAL), { data: folderOn(disk) })
    expect((await chat(gateway)).status).toBe(200)
    disk.becomeReadOnly()
    for (let n = 0; n < 3; n++) {
      const answer = await chat(gateway)
      expect(answer.status).toBe(503)
      expect(await answer.json()).toMatchObject({ error: { code: 'cannot_record' } })
    }
    expect(await readiness(gateway)).toMatchObject({ status: 'degraded', alarms: [{ name: 'records' }] })
    // It ends when it is told to, and the chain is whole as far as it got.
    await gateway.stop()
    expect((await follow(gateway.data).on()).wrong).toEqual([])
  })
})
