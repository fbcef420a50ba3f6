/** Where a KMS keeps its files, all below its own folder of a home. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

export interface Paths {
  readonly root: string
  readonly settings: string
  /** The Trustee Server's client that this KMS is: keys and certificate. */
  readonly client: string
  /** kms-site.xml, core-site.xml, kms-acls.xml, unless the settings name another folder. */
  readonly configuration: string
  readonly tlsCertificate: string
  readonly tlsKey: string
  readonly auditKey: string
  readonly auditPublicKey: string
  readonly audit: string
  /** Of the commands that move keys in and out, which may run while the service has its own audit open. */
  readonly movesAudit: string
  readonly run: string
  readonly controlSocket: string
  readonly pidFile: string
  readonly log: string
  readonly logFile: string
  /** How the log is written, in logback's form. */
  readonly logback: string
  /** Lines in the old form, for parsers that exist. */
  readonly auditLog: string
}

export const installedRoot = '/var/lib/keytrustee-kms'
/** Made by the package: without one the logs are in the home, as elsewhere. */
const installedLogs = '/var/log/keytrustee-kms'

export function pathsIn(root: string): Paths {
  const run = join(root, 'run')
  const log =
    root === installedRoot && existsSync(installedLogs) ? installedLogs : join(root, 'log')
  return {
    root,
    settings: join(root, 'kms.properties'),
    client: join(root, 'client'),
    configuration: join(root, 'conf'),
    tlsCertificate: join(root, 'tls', 'kms.pem'),
    tlsKey: join(root, 'tls', 'kms.key'),
    auditKey: join(root, 'audit.key'),
    auditPublicKey: join(root, 'audit.pub'),
    audit: join(root, 'audit'),
    movesAudit: join(root, 'audit-moves'),
    run,
    controlSocket: join(run, 'control.sock'),
    pidFile: join(run, 'keytrustee-kms.pid'),
    log,
    logFile: join(log, 'keytrustee-kms.log'),
    logback: join(root, 'conf', 'logback.xml'),
    auditLog: join(log, 'kms-audit.log'),
  }
}
