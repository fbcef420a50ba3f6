/** A small Debian in a folder, entered by chroot, in which packages are tried. Needs root. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { say, Stop } from '../scripts/lib/say.mjs'

/** What a machine with a software HSM has; nothing of ours. */
const included = [
  'softhsm2',
  'openssl',
  'curl',
  'procps',
  'util-linux',
  'adduser',
  'passwd',
  // systemd-notify, by which services talk to systemd; nothing is run by it here.
  'systemd',
  'postgresql',
]

/** An archive of a fresh machine, made once; KEYHSM_PACKAGE_ROOT names a folder to keep it in. */
export function makeArchive() {
  const folder = process.env.KEYHSM_PACKAGE_ROOT ?? mkdtempSync(join(tmpdir(), 'keyhsm-root-'))
  mkdirSync(folder, { recursive: true })
  const archive = join(folder, 'root.tar')
  if (!existsSync(archive)) {
    const { suite, mirror } = findDistribution()
    say(`package:test: debootstrap ${suite}`)
    const fresh = join(folder, 'fresh')
    const include = `--include=${included.join(',')}`
    run('debootstrap', ['--variant=minbase', '--foreign', include, suite, fresh, mirror])
    forbidDaemons(fresh)
    run('chroot', [fresh, '/debootstrap/debootstrap', '--second-stage'])
    run('tar', [
      '-C',
      fresh,
      '-cf',
      `${archive}.new`,
      '--exclude=./proc/*',
      '--exclude=./var/cache/apt/archives/*.deb',
      '.',
    ])
    run('mv', [`${archive}.new`, archive])
    rmSync(fresh, { recursive: true, force: true })
  }
  const isKept = process.env.KEYHSM_PACKAGE_ROOT !== undefined
  return { archive, remove: () => isKept || rmSync(folder, { recursive: true, force: true }) }
}

/** Before packages are configured: none may start a service, and PostgreSQL makes no cluster of its own. */
function forbidDaemons(folder) {
  const files = {
    // @see invoke-rc.d(8)
    'usr/sbin/policy-rc.d': '#!/bin/sh\nexit 101\n',
    'etc/postgresql-common/createcluster.d/none.conf': 'create_main_cluster = false\n',
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text, { mode: 0o755 })
  }
}

/** The release and the mirror that the apt of this machine uses. */
function findDistribution() {
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1]
  const format = '$(COMPONENT) $(CODENAME) $(REPO_URI)'
  const targets = run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'])
  const line = targets.split('\n').find((one) => one.startsWith(`main ${suite} `))
  if (!suite || !line) throw new Stop('package:test: apt knows no Debian mirror for this release')
  return { suite, mirror: line.split(' ')[2] }
}

export class Machine {
  constructor(archive) {
    this.root = mkdtempSync(join(tmpdir(), 'keyhsm-machine-'))
    run('tar', ['-C', this.root, '-xf', archive])
    mkdirSync(join(this.root, 'proc'), { recursive: true })
    run('mount', ['-t', 'proc', 'proc', join(this.root, 'proc')])
  }

  /** Runs a command of a shell inside; returns what it printed. @throws when it ends otherwise than with `exit`. */
  sh(command, { exit = 0, input = '' } = {}) {
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8' }
    const result = spawnSync('chroot', [this.root, 'sh', '-c', command], {
      env,
      input,
      encoding: 'utf8',
      timeout: 120_000,
    })
    const text = `${result.stdout}${result.stderr}`
    if (exit !== 'any' && result.status !== exit) {
      throw new Error(`$ ${command}\nended with ${result.status ?? result.signal}\n${text}`)
    }
    return text
  }

  write(path, text, mode = 0o644) {
    mkdirSync(join(this.root, path, '..'), { recursive: true })
    writeFileSync(join(this.root, path), text, { mode })
  }

  /** Names, owners, modes and checksums of everything below the folders, as one text. */
  fingerprint(folders, { owners = true } = {}) {
    const list = folders.join(' ')
    const shown = owners ? '%M %U:%G %p' : '%p'
    return this.sh(
      `find ${list} -printf '${shown}\\n' | sort; find ${list} -type f -print0 | sort -z | xargs -0 -r sha256sum`,
    )
  }

  remove() {
    for (const service of ['keytrustee-kms', 'keytrustee-server', 'keyhsm'])
      this.sh(`${service} stop`, { exit: 'any' })
    for (const attempt of [1, 2, 3]) {
      if (spawnSync('umount', [join(this.root, 'proc')]).status === 0) break
      spawnSync('sleep', [String(attempt)])
    }
    // Never into a mounted /proc: it is this machine's own.
    if (existsSync(join(this.root, 'proc/self')))
      throw new Stop(`${this.root}/proc is still mounted`)
    rmSync(this.root, { recursive: true, force: true })
  }
}

export function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  if (result.status !== 0) {
    throw new Stop(`package:test: ${command} ${args[0]}: ${result.stderr ?? result.error?.message}`)
  }
  return result.stdout
}
