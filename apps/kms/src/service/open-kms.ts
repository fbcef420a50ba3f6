/** Everything of a KMS but its listeners: opened in order, closed by the closers given. */
import { readFile } from 'node:fs/promises'
import { type Clock, newUuid } from '@keyhsm/core'
import {
  type Audit,
  type Closers,
  ed25519AuditSigner,
  type Log,
  meterAudit,
  type Metrics,
  openAudit,
  type OpenLog,
} from '@keyhsm/service'
import { type AclFile, openAclFile } from '../access/acl-file.js'
import type { Acls } from '../access/acls.js'
import { type AuditTrail, openAuditTrail } from '../audit/audit-trail.js'
import { HeadTelling } from '../audit/tell-head.js'
import { createMeters, type Meters } from '../metrics/meters.js'
import type { Paths } from '../paths.js'
import { proveSharedIdentity, hasSharedSecrets, SharedSecrets } from '../shared/shared-secrets.js'
import { KeyDirectory } from '../zone-keys/key-directory.js'
import type { KeyStore } from '../zone-keys/key-store.js'
import { Repetitions } from '../zone-keys/repetition.js'
import { VersionCache } from '../zone-keys/version-cache.js'
import { TokenStates } from '../authentication/token-states.js'
import { connectTrustee, type TrusteeConnection } from './connect-trustee.js'
import { descriptionAgeMs, type LiveSettings, toCacheLimits } from './live-settings.js'

export interface KmsOptions {
  readonly paths: Paths
  readonly log: OpenLog
  readonly clock: Clock
  readonly metrics: Metrics
  /** Lines of the audit in the old form. */
  readonly writeAuditLine: (line: string) => void
}

export interface OpenKms {
  readonly connection: TrusteeConnection
  readonly keys: KeyStore
  readonly secrets: SharedSecrets
  readonly states: TokenStates
  readonly audit: Audit
  readonly heads: HeadTelling
  readonly trail: AuditTrail
  readonly aclFile: AclFile
  readonly meters: Meters
}

/** How often an instance looks for what others changed of the shared secrets. */
export const sharedRefreshMs = 30_000

/**
 * @param live the settings in use, asked for at every use.
 * @throws ERR_SETTINGS, also when this instance does not have the identity of the others; the codes of being unable to ask.
 */
export async function openKms(
  o: KmsOptions,
  live: () => LiveSettings,
  closers: Closers,
): Promise<OpenKms> {
  const { paths, clock, log } = o
  const aclFile = await openAclFile(
    live().aclFile,
    (acls) => logAcls(log, acls),
    (error) => log.warn({ error }, 'kms-acls.xml cannot be used, the old rules stay'),
  )
  closers.add(() => aclFile.close())
  const connection = await connectTrustee(paths.client)
  closers.add(() => connection.close())
  const { vault } = connection
  if (await hasSharedSecrets(vault)) await proveSharedIdentity(vault)
  const secrets = openSecrets(vault, clock, live)
  await secrets.refresh()
  const audit = meterAudit(await openKmsAudit(o), o.metrics)
  closers.add(() => audit.close())
  const versions = new VersionCache(vault, clock, () => toCacheLimits(live()))
  closers.add(() => versions.close())
  const meters = createMeters(clock)
  closers.add(() => meters.close())
  const keys: KeyStore = {
    vault,
    clock,
    versions,
    directory: new KeyDirectory(vault, clock, () => descriptionAgeMs(live())),
    repetitions: new Repetitions(newUuid(), () => live().settings.repeatMs),
  }
  const states = new TokenStates({
    vault,
    clock,
    maxAgeMs: () => live().settings.tokenCacheMs,
    renewIntervalMs: () => live().site.tokens.renewIntervalMs,
  })
  return {
    connection,
    keys,
    secrets,
    states,
    audit,
    heads: new HeadTelling({ audit, trustee: connection.trustee, log }),
    trail: openAuditTrail(audit, clock, o.writeAuditLine, () => live().settings.auditWait),
    aclFile,
    meters,
  }
}

function openSecrets(
  vault: TrusteeConnection['vault'],
  clock: Clock,
  live: () => LiveSettings,
): SharedSecrets {
  return new SharedSecrets({
    vault,
    clock,
    refreshMs: sharedRefreshMs,
    rotation() {
      const { authentication, tokens } = live().site
      const { cookieValidityMs } = authentication
      return {
        cookies: { everyMs: cookieValidityMs, acceptedMs: cookieValidityMs },
        masterKeys: { everyMs: tokens.updateIntervalMs, acceptedMs: tokens.maxLifetimeMs },
      }
    },
  })
}

async function openKmsAudit({ paths, clock, log }: Omit<KmsOptions, 'metrics'>): Promise<Audit> {
  return openAudit({
    directory: paths.audit,
    service: 'keytrustee-kms',
    clock,
    signer: ed25519AuditSigner(await readFile(paths.auditKey, 'utf8')),
    onProblem: (error) => log.error({ error }, 'audit'),
  })
}

function logAcls(log: Log, acls: Acls): void {
  for (const warning of acls.warnings) log.warn({}, warning)
  log.info({ keys: acls.keys.size }, 'kms-acls.xml is in use')
}
