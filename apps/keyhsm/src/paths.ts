/** Where Key HSM keeps its files below its home. */
import { join } from 'node:path'
import type { Home } from '@keyhsm/command-line'

/** Where the manual has it, and where the product that was there before may still be. */
export const manualHome = '/usr/share/keytrustee-server-keyhsm'
const manualLog = '/var/log/keyhsm'

/**
 * Used when neither `--home` nor KEYHSM_HOME says otherwise. A package that finds another product in the manual's place puts
 * its own into KEYHSM_INSTALLED_HOME (`/etc/default/keyhsm`).
 */
const installedHome = process.env['KEYHSM_INSTALLED_HOME'] || manualHome

export const installed: Home = {
  root: installedHome,
  keyhsm: installedHome,
  keytrustee: '/var/lib/keytrustee/.keytrustee',
  client: join(process.env['HOME'] ?? '/', '.keytrustee'),
  'keytrustee-kms': '/var/lib/keytrustee-kms',
}

export interface Paths {
  readonly home: string
  readonly settings: string
  readonly keystore: string
  /** The certificate that follows, while it waits to be known to every Trustee Server. */
  readonly keystoreNext: string
  readonly truststore: string
  /** Private keys of administrators on this machine. */
  readonly admin: string
  readonly run: string
  readonly pidFile: string
  readonly socket: string
  /** While the service runs with a management port: that port. */
  readonly management: string
  /** There after a refused login, until a person acts. */
  readonly latch: string
  readonly log: string
  readonly logFile: string
  /** How the log is written, in logback's form. */
  readonly logback: string
  /** What the process itself prints: a crash of Node or of a vendor's library. */
  readonly daemonLog: string
  readonly audit: string
}

export function pathsIn(home: string): Paths {
  const log = home === manualHome ? manualLog : join(home, 'log')
  const run = join(home, 'run')
  return {
    home,
    settings: join(home, 'application.properties'),
    keystore: join(home, 'keystore'),
    keystoreNext: join(home, 'keystore-next'),
    truststore: join(home, 'truststore'),
    admin: join(home, 'admin'),
    run,
    pidFile: join(run, 'keyhsm.pid'),
    socket: join(run, 'keyhsm.sock'),
    management: join(run, 'management.port'),
    latch: join(run, 'login-refused'),
    log,
    logFile: join(log, 'keyhsm.log'),
    logback: join(home, 'conf', 'logback.xml'),
    daemonLog: join(log, 'keyhsm.out'),
    audit: join(home, 'audit'),
  }
}
