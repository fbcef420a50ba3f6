/** Steps of the trials in a small machine that every package's trial takes. */
import { spawnSync } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { say } from '../scripts/lib/say.mjs'

export function installDebs(machine, files) {
  return machine.sh(`DEBIAN_FRONTEND=noninteractive dpkg -i ${copyIn(machine, files).join(' ')}`)
}

export function installRpms(machine, files, how) {
  rpmTool(machine, [how, ...copyIn(machine, files).map((name) => join(machine.root, name))])
}

function copyIn(machine, files) {
  for (const file of files) copyFileSync(file, join(machine.root, 'root', basename(file)))
  return files.map((file) => `/root/${basename(file)}`)
}

/** rpm of this machine, for a root that has none: its database lies there, its scripts run there. */
export function rpmTool(machine, args) {
  const changes = !args[0].startsWith('-q')
  const command = [
    '--root',
    machine.root,
    ...(changes ? ['--nodeps'] : []),
    '--nosignature',
    ...args,
  ]
  const result = spawnSync('rpm', command, { encoding: 'utf8' })
  if (result.status !== 0)
    throw new Error(`rpm ${args.join(' ')}: ${result.stdout}${result.stderr}`)
  return result.stdout
}

export function makeToken(machine) {
  machine.write('/root/pin', 'marked-pin-2219\n', 0o600)
  machine.sh('install -d -o keyhsm -g keyhsm -m 700 /var/lib/softhsm /var/lib/softhsm/tokens')
  machine.sh('chmod 755 /etc/softhsm && chmod 644 /etc/softhsm/softhsm2.conf', { exit: 'any' })
  machine.sh(
    'setpriv --reuid keyhsm --regid keyhsm --clear-groups softhsm2-util --init-token --free --label keytrustee --pin "$(cat /root/pin)" --so-pin 12345678',
  )
}

export function owner(machine, path) {
  return machine.sh(`stat -c '%A %U' ${path}`).trim()
}

export function gone(machine, paths) {
  return paths.every((path) =>
    machine
      .sh(`test ! -e ${path} && test ! -L ${path} && echo gone`, { exit: 'any' })
      .includes('gone'),
  )
}

/** Read by this machine's systemd, where there is one. */
export function verifyUnit(machine, name) {
  const unit = join(machine.root, 'usr/lib/systemd/system', name)
  const result = spawnSync('systemd-analyze', ['verify', '--root', machine.root, name], {
    encoding: 'utf8',
  })
  if (result.error) return spawnSync('test', ['-f', unit]).status === 0
  // The small Debian has no targets to be ordered after.
  const faults = result.stderr
    .split('\n')
    .filter((line) => line.includes(name) && !/Unit \S+\.target not found/.test(line))
  for (const line of faults) say(line)
  return faults.length === 0
}
