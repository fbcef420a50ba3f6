/** A real Key HSM on the software token, as processes of its own, in a home of its own. */
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { fingerprintOf } from '@keyhsm/client'
import { X509Certificate } from 'node:crypto'

const launcher = fileURLToPath(new URL('../../../../bin/keyhsm', import.meta.url))
const run = promisify(execFile)

export interface RealKeyHsm {
  readonly url: string
  /** PEM of its certificate. */
  readonly certificate: string
  readonly fingerprint: string
  /** Admits a Trustee Server's certificate. */
  trust(certificateFile: string, realm?: string): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
  /** Stops it and removes everything. */
  remove(): Promise<void>
  /** Adds a setting and reloads it. @returns the way back */
  set(name: string, value: string): Promise<() => Promise<void>>
  /** Output of a `keyhsm` command. */
  command(...args: readonly string[]): Promise<string>
}

/** Sets one up and starts it. Run as root its processes become `nobody`, as they never run as root. */
export async function startKeyHsm(): Promise<RealKeyHsm> {
  const home = await mkdtemp(join(tmpdir(), 'kh-'))
  await chmod(home, 0o755)
  const pinFile = join(home, 'pin')
  await writeFile(pinFile, '12345678', { mode: 0o600 })
  const env = { ...process.env, KEYHSM_USER: process.env['KEYHSM_USER'] ?? 'nobody' }
  const command = async (...args: readonly string[]) => {
    const { stdout } = await run(process.execPath, [launcher, ...args, '--home', home], { env })
    return stdout
  }
  // A free port, and the same after a restart.
  const port = await freePort()
  const ports = ['--port', String(port), '--management-port', '0', '--service-port', '0']
  await command('setup', 'soft-token', '--pin-file', pinFile, ...ports)
  const certificate = await readFile(join(home, 'keyhsm', 'keystore', 'keyhsm.pem'), 'utf8')
  const hsm: RealKeyHsm = {
    url: `https://127.0.0.1:${port}`,
    certificate,
    fingerprint: fingerprintOf(new X509Certificate(certificate)),
    async trust(certificateFile, realm = 'default') {
      await command('trust', certificateFile, '--realm', realm)
      await command('reload').catch(() => undefined)
    },
    start: async () => void (await command('start')),
    stop: async () => void (await command('stop')),
    async remove() {
      await command('stop').catch(() => undefined)
      await rm(home, { recursive: true, force: true })
    },
    async set(name, value) {
      const file = join(home, 'keyhsm', 'application.properties')
      const before = await readFile(file, 'utf8')
      // Its owner stays who it is.
      const write = async (text: string) => {
        await writeFile(file, text)
        await command('reload')
      }
      await write(`${before}${name}=${value}\n`)
      return () => write(before)
    },
    command,
  }
  await hsm.start()
  return hsm
}

async function freePort(): Promise<number> {
  const { href } = new URL('../../../../interop/lib/ports.mjs', import.meta.url)
  const ports = (await import(href)) as { freePort(): Promise<number> }
  return ports.freePort()
}
