/**
 * A software token of openCryptoki of its own. The library knows one configuration, one token directory and one daemon a
 * machine, so all of it lives in mount and IPC namespaces that end with the daemon: nothing of the machine's own
 * openCryptoki is touched, and no root is needed where users may make namespaces.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type HsmKeyId, SecretBytes } from '@keyhsm/core'
import { type Pkcs11Options, pkcs11Profiles } from '@keyhsm/hsm-pkcs11'
import { runTool } from './run-tool.js'

/** The library as it is installed here; undefined when it is not. */
export const opencryptokiLibrary = pkcs11Profiles.opencryptoki.libraryPaths.find((path) =>
  existsSync(path),
)
/** The token takes 4 to 8 characters. */
export const opencryptokiPin = 'marked78'

const daemon = '/usr/sbin/pkcsslotd'
const label = 'keyhsm-test'
const isRoot = process.getuid?.() === 0
const enter = isRoot ? [] : ['--user', '--map-root-user']
const join_ = isRoot ? [] : ['--user', '--preserve-credentials']
const readyLimitMs = 5000

/**
 * In the namespaces: empty directories of the library, a group file in which root is the group `pkcs11`, the daemon. The list
 * of objects that its processes share is POSIX shared memory, which belongs to a mount and not to the IPC namespace.
 */
const script = `set -e
for directory in /etc/opencryptoki /var/lib/opencryptoki /run /dev/shm; do mount -t tmpfs tmpfs $directory; done
printf 'version opencryptoki-3.1\\nslot 0\\n{\\nstdll = libpkcs11_sw.so\\n}\\n' > /etc/opencryptoki/opencryptoki.conf
mkdir -p /var/lib/opencryptoki/swtok/TOK_OBJ /run/lock/opencryptoki/swtok
mount --bind "$1" /etc/group
exec ${daemon} -f`

/** Why no token can be made here; undefined when one can. */
export function whyNoOpencryptoki(): string | undefined {
  if (!opencryptokiLibrary || !existsSync(daemon)) return 'opencryptoki is not installed'
  const trial = spawnSync('unshare', [...enter, '--mount', '--ipc', 'true'], { encoding: 'utf8' })
  if (trial.status === 0) return undefined
  return `no namespaces for its daemon: ${trial.stderr?.trim() || trial.error?.message}`
}

export class OpencryptokiToken {
  readonly directory: string
  /** Program and arguments that run a command where the token is. */
  readonly launcher: readonly string[]
  readonly #daemon: ChildProcess

  private constructor(directory: string, child: ChildProcess) {
    this.directory = directory
    this.#daemon = child
    this.launcher = ['nsenter', ...join_, '--mount', '--ipc', '--target', String(child.pid)]
  }

  /** Starts a daemon and initialises a token. */
  static async make(): Promise<OpencryptokiToken> {
    const directory = await mkdtemp(join(tmpdir(), 'keyhsm-opencryptoki-'))
    const groups = join(directory, 'group')
    await writeFile(groups, 'root:x:0:\npkcs11:x:0:root\n')
    const args = [...enter, '--mount', '--ipc', 'sh', '-c', script, 'sh', groups]
    const child = spawn('unshare', args, { stdio: 'ignore' })
    const token = new OpencryptokiToken(directory, child)
    try {
      await token.#whenReady()
      await token.#initialise()
      return token
    } catch (error) {
      await token.dispose()
      throw error
    }
  }

  /** Options that connect to this token. */
  options(more: Partial<Pkcs11Options> = {}): Pkcs11Options {
    const pin = SecretBytes.own(Buffer.from(opencryptokiPin))
    return { profile: 'opencryptoki', token: { label }, pin, launcher: this.launcher, ...more }
  }

  /** Runs `pkcs11-tool` logged in to this token. */
  async tool(...args: string[]): Promise<string> {
    const login = ['--login', '--pin', opencryptokiPin, '--token-label', label]
    return await this.#run('pkcs11-tool', '--module', opencryptokiLibrary ?? '', ...login, ...args)
  }

  /** Deletes every object with this id. */
  async remove(id: HsmKeyId): Promise<void> {
    for (const type of ['privkey', 'pubkey', 'secrkey']) {
      await this.tool('--delete-object', '--type', type, '--id', id).catch(() => '')
    }
  }

  async shows(id: HsmKeyId): Promise<boolean> {
    return (await this.tool('--list-objects')).includes(id)
  }

  /** Ends the daemon; the namespaces and all that is in them end with it. */
  async dispose(): Promise<void> {
    if (this.#daemon.exitCode === null && this.#daemon.signalCode === null) {
      const gone = once(this.#daemon, 'exit')
      this.#daemon.kill('SIGTERM')
      const kill = setTimeout(() => this.#daemon.kill('SIGKILL'), 2000)
      await gone
      clearTimeout(kill)
    }
    await rm(this.directory, { recursive: true, force: true })
  }

  async #whenReady(): Promise<void> {
    const socket = `/proc/${this.#daemon.pid}/root/run/pkcsslotd.socket`
    const endsAt = performance.now() + readyLimitMs
    while (!(await stat(socket).catch(() => undefined))) {
      const gone = this.#daemon.exitCode ?? this.#daemon.signalCode
      if (gone !== null) throw new Error(`pkcsslotd ended with ${gone}`)
      if (performance.now() > endsAt) throw new Error('pkcsslotd does not start')
      await sleep(20)
    }
  }

  /** The token's own first PINs must be changed before it can be used. */
  async #initialise(): Promise<void> {
    const officer = ['--so-pin', '87654321']
    const module = ['--module', opencryptokiLibrary ?? '']
    await this.#run('pkcs11-tool', ...module, '--init-token', '--label', label, ...officer)
    const steps = [
      ['-P', '-S', '87654321', '-n', 'officer7'],
      ['-u', '-S', 'officer7', '-n', 'firstpin'],
      ['-p', '-U', 'firstpin', '-n', opencryptokiPin],
    ]
    for (const step of steps) await this.#run('pkcsconf', '-c', '0', ...step)
  }

  async #run(...command: string[]): Promise<string> {
    const [program = '', ...args] = [...this.launcher, ...command]
    return await runTool(program, args)
  }
}
