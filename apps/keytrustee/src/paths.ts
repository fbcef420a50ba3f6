/** Where a Trustee Server keeps its files, all below its own folder of a home. Names of the old product are kept. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

export interface Paths {
  readonly root: string
  readonly settings: string
  /** Certificate shown to clients. */
  readonly serverCertificate: string
  readonly serverKey: string
  /** Separate pair shown to Key HSM. */
  readonly keyHsmClientCertificate: string
  readonly keyHsmClientKey: string
  /** The Key HSM's certificate, as it was accepted when joining. */
  readonly keyHsmCertificate: string
  readonly authorityCertificate: string
  readonly authorityKey: string
  /** Authorities before the present one, whose certificates are admitted until they end. */
  readonly previousAuthorities: string
  /** A new authority's pair that waits until every server of the installation admits it. */
  readonly authorityWaiting: string
  /** How often the servers of the installation have changed their authorities together. */
  readonly authoritySequence: string
  /** A new pair to show to Key HSM, complete, that waits until Key HSM trusts it. */
  readonly keyHsmClientNext: string
  /** A new authority's pair, complete, that is being put in the place of the present one. */
  readonly authorityNext: string
  /** The same of the server's own pair. */
  readonly serverNext: string
  /** How the server's certificate followed those before. */
  readonly successions: string
  readonly grantKey: string
  readonly auditKey: string
  readonly auditPublicKey: string
  readonly join: string
  /** What a migration under way is ordered to do. */
  readonly migration: string
  /** Deposits that must stay unreadable, whatever the database says. */
  readonly revocations: string
  /** When the HSM was backed up last, as an administrator reported. */
  readonly hsmBackup: string
  /** What a restore left held until an administrator releases it. */
  readonly holds: string
  /** Who this server is among those of its installation. */
  readonly node: string
  /** The highest timeline seen of the database. */
  readonly timeline: string
  /** One-time tokens for further servers, as hashes. */
  readonly joinTokens: string
  readonly administrators: string
  readonly run: string
  readonly controlSocket: string
  readonly pidFile: string
  readonly logFile: string
  /** How the log is written, in logback's form. */
  readonly logback: string
  readonly audit: string
  readonly database: string
  readonly pruneReports: string
}

export const installedRoot = '/var/lib/keytrustee/.keytrustee'
/** Made by the package: without one the logs are in the home, as elsewhere. */
const installedLogs = '/var/log/keytrustee'

/** `root` is the folder `keytrustee/` of a home, {@link installedRoot} when installed. */
export function pathsIn(root: string): Paths {
  const logs =
    root === installedRoot && existsSync(installedLogs) ? installedLogs : join(root, 'log')
  const ssl = join(root, '.ssl')
  const run = join(root, 'run')
  return {
    root,
    settings: join(root, 'keytrustee.properties'),
    serverCertificate: join(ssl, 'ssl-cert-keytrustee.pem'),
    serverKey: join(ssl, 'ssl-cert-keytrustee-pk.pem'),
    keyHsmClientCertificate: join(ssl, 'ssl-cert-keytrustee-keyhsm-client.pem'),
    keyHsmClientKey: join(ssl, 'ssl-cert-keytrustee-keyhsm-client-pk.pem'),
    keyHsmCertificate: join(ssl, 'ssl-cert-keyhsm.pem'),
    authorityCertificate: join(root, '.ca', 'client-ca.pem'),
    authorityKey: join(root, '.ca', 'client-ca-pk.pem'),
    previousAuthorities: join(root, '.ca', 'previous'),
    authorityNext: join(root, '.ca', 'next'),
    authorityWaiting: join(root, '.ca', 'waiting'),
    authoritySequence: join(root, '.ca', 'sequence'),
    keyHsmClientNext: join(ssl, 'keyhsm-client-next'),
    serverNext: join(ssl, 'next'),
    successions: join(ssl, 'successions.json'),
    grantKey: join(root, 'grant.key'),
    auditKey: join(root, 'audit.key'),
    auditPublicKey: join(root, 'audit.pub'),
    join: join(root, 'join.json'),
    migration: join(root, 'migration.json'),
    revocations: join(root, 'revocations.log'),
    hsmBackup: join(root, 'hsm-backup.json'),
    holds: join(root, 'holds.json'),
    node: join(root, 'node.json'),
    timeline: join(root, 'timeline.json'),
    joinTokens: join(root, 'join-tokens.json'),
    administrators: join(root, 'admin'),
    run,
    controlSocket: join(run, 'control.sock'),
    pidFile: join(run, 'keytrustee-server.pid'),
    logFile: join(logs, 'keytrustee-server.log'),
    logback: join(root, 'conf', 'logback.xml'),
    audit: join(root, 'audit'),
    database: join(root, 'db'),
    pruneReports: join(root, 'prune'),
  }
}
