/** Disks that are small enough to be filled: each audit and the database of a stack on file systems of their own. */
import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const places = [
  { name: 'keyhsm', path: 'keyhsm/audit', user: 'keyhsm', size: '1m' },
  { name: 'keytrustee', path: 'keytrustee/audit', user: 'keytrustee', size: '1m' },
  { name: 'database', path: 'keytrustee/db', user: 'keytrustee', size: '160m' },
]
/** For a stack that gets a KMS. */
export const kmsDisk = {
  name: 'kms',
  path: 'keytrustee-kms/audit',
  user: 'keytrustee-kms',
  size: '1m',
}

/** Mounts them below a home that is still empty; `stack.disks` is undefined where this process may not mount. */
export function mountSmallDisks(stack, more = []) {
  const disks = [...places, ...more]
  if (!stack.isRoot) return
  const mounted = []
  const unmount = () => {
    for (const folder of mounted.splice(0)) spawnSync('umount', ['-l', folder])
  }
  for (const { path, user, size } of disks) {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number(output('id', [flag, user])))
    const parent = join(stack.home, path.split('/')[0])
    const folder = join(stack.home, path)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chownSync(parent, uid, gid)
    const options = `size=${size},mode=700,uid=${uid},gid=${gid}`
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder])
    if (status !== 0) return unmount()
    mounted.push(folder)
  }
  // Also when the run is interrupted: nobody else would find them.
  process.once('exit', unmount)
  stack.disks = {
    unmount,
    /** A folder of the home with disks in it was renamed. */
    follow(from, to) {
      const [before, now] = [from, to].map((name) => join(stack.home, name))
      for (const [index, folder] of mounted.entries())
        mounted[index] = folder.replace(`${before}/`, `${now}/`)
    },
    fill: (name) =>
      fill(
        stack,
        disks.find((disk) => disk.name === name),
      ),
  }
}

/** Fills one of them to the last byte; returns what frees it again. */
function fill(stack, { path }) {
  const ballast = join(stack.home, path, 'ballast')
  for (const chunk of [2 ** 20, 2 ** 12]) {
    try {
      for (;;) writeFileSync(ballast, Buffer.alloc(chunk, 1), { flag: 'a', mode: 0o600 })
    } catch (error) {
      if (error.code !== 'ENOSPC') throw error
    }
  }
  return () => rmSync(ballast, { force: true })
}

function output(command, args) {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout
}
