/** A SoftHSM token of its own in a temporary directory, with the real library. */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export const softHsmLibrary = '/usr/lib/softhsm/libsofthsm2.so'
export const hasSoftHsm = existsSync(softHsmLibrary)
export const softHsmPin = 'marked-pin-2244'

export interface TestSoftHsm {
  readonly root: string
  /** SOFTHSM2_CONF. */
  readonly config: string
  readonly label: string
}

/** `label` may not be used by another token of the same directory. */
export async function makeSoftHsm(label = 'keyhsm-test'): Promise<TestSoftHsm> {
  const root = await mkdtemp(join(tmpdir(), 'khs-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  chmodSync(root, 0o755)
  const config = join(root, 'softhsm2.conf')
  mkdirSync(join(root, 'tokens'))
  writeFileSync(config, `directories.tokendir = ${root}/tokens\nlog.level = ERROR\n`)
  initToken({ root, config, label })
  return { root, config, label }
}

export function initToken({ config, label }: TestSoftHsm): void {
  const order = [
    '--init-token',
    '--free',
    '--label',
    label,
    '--pin',
    softHsmPin,
    '--so-pin',
    '12345678',
  ]
  execFileSync('softhsm2-util', order, { env: environment(config), stdio: 'ignore' })
}

/** Gives the token to another user, to whom a command drops. */
export function giveTo({ root }: TestSoftHsm, user: { uid: number; gid: number }): void {
  execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, join(root, 'tokens')])
  chownSync(root, user.uid, user.gid)
}

/** What OpenSC's tool prints about the token. */
export function pkcs11Tool({ config, label }: TestSoftHsm, ...order: string[]): string {
  const login = ['--module', softHsmLibrary, '--token-label', label, '--login', '--pin', softHsmPin]
  return execFileSync('pkcs11-tool', [...login, ...order], {
    env: environment(config),
    stdio: ['ignore', 'pipe', 'ignore'],
  }).toString()
}

function environment(config: string) {
  return { ...process.env, SOFTHSM2_CONF: config }
}
