/** Disks of a few megabytes that a test can fill or break, where the machine lets us: on Linux, as root. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

export type SmallDisk = {
  readonly folder: string
  /** Leaves no room. */
  fill(): void
  /** Makes room again. */
  free(): void
  /** Call it when nobody uses it any more. */
  close(): void
}

const run = (command: string, ...args: readonly string[]): string => execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const mayMount = process.platform === 'linux' && process.getuid?.() === 0
/** Why there is no such disk here; the words are the test's. */
export const NO_DISK = 'not checked: a disk of our own can be mounted on Linux as root only'

const emptyFolder = (): string => mkdtempSync(join(tmpdir(), 'bailiwick-disk-'))

function mounted(args: readonly string[]): SmallDisk | undefined {
  if (!mayMount) return undefined
  const folder = emptyFolder()
  try {
    run('mount', ...args, folder)
  } catch {
    rmdirSync(folder)
    return undefined
  }
  const filler = (n: number): string => join(folder, `filler-${n}`)
  return {
    folder,
    fill() {
      // Ever smaller pieces, until not even the smallest has room.
      for (const bytes of [1 << 16, 1 << 12, 1 << 9]) {
        for (let n = readdirSync(folder).length; ; n++) {
          try {
            writeFileSync(filler(n), Buffer.alloc(bytes), { flag: 'wx' })
          } catch {
            break
          }
        }
      }
    },
    free() { for (const name of readdirSync(folder)) if (name.startsWith('filler-')) rmSync(join(folder, name)) },
    close() {
      // What a test left open keeps the disk until it is closed.
      run('umount', '--lazy', folder)
      rmdirSync(folder)
    },
  }
}

/** In memory. Undefined where none can be mounted. */
export const tmpfs = (megabytes: number): SmallDisk | undefined => mounted(['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs'])

export type BreakableDisk = SmallDisk & {
  /** What a kernel does to a disk with errors: from now on nothing can be written, not even to files that are open. */
  becomeReadOnly(): void
}

/** A file system of ext4 in a file. Undefined where none can be mounted. */
export function breakable(): BreakableDisk | undefined {
  if (!mayMount) return undefined
  const beside = emptyFolder(), image = join(beside, 'disk')
  const remove = (): void => { rmSync(beside, { recursive: true }) }
  let disk: SmallDisk | undefined
  try {
    writeFileSync(image, '')
    truncateSync(image, 8 << 20)
    run('mkfs.ext4', '-q', '-O', '^has_journal', image)
    disk = mounted(['-o', 'loop,errors=remount-ro', image])
  } catch {
    // A machine without this file system.
  }
  if (disk === undefined) {
    remove()
    return undefined
  }
  const mountedDisk = disk
  return {
    ...mountedDisk,
    close() {
      mountedDisk.close()
      remove()
    },
    becomeReadOnly() {
      const device = basename(run('findmnt', '-n', '-o', 'SOURCE', mountedDisk.folder).trim())
      // Never a disk that is not ours.
      if (!/^loop\d+$/.test(device)) throw new Error(`${device} is no disk of this test`)
      writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, 'for a test')
    },
  }
}

/** The same disk, mounted read-only. */
export function readOnly(disk: SmallDisk): void {
  run('mount', '-o', 'remount,ro', disk.folder)
}
export function writable(disk: SmallDisk): void {
  run('mount', '-o', 'remount,rw', disk.folder)
}

export const folderOn = (disk: SmallDisk): string => {
  const data = join(disk.folder, 'data')
  mkdirSync(data, { recursive: true })
  return data
}
