/** A SoftHSM token of its own in a folder, for the layers below the services. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { softhsmModule } from '../../interop/lib/stack.mjs'

/** @returns {{ library: string, label: string, pin: string, env: Record<string, string> }} */
export function makeToken(folder, label) {
  const tokens = join(folder, label)
  mkdirSync(tokens, { recursive: true, mode: 0o700 })
  const conf = join(folder, `${label}.conf`)
  writeFileSync(
    conf,
    `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  )
  const pin = randomBytes(9).toString('base64url')
  const soPin = randomBytes(9).toString('base64url')
  const env = { SOFTHSM2_CONF: conf }
  const args = ['--init-token', '--free', '--label', label, '--pin', pin, '--so-pin', soPin]
  execFileSync('softhsm2-util', args, { env: { ...process.env, ...env }, stdio: 'ignore' })
  return { library: softhsmModule, label, pin, env }
}
