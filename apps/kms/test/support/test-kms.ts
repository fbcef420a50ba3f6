/** A KMS without listeners: requests in, replies out, over a vault that several instances may share. */
import { newUuid } from '@keyhsm/core'
import { type AuditEntry, openMetrics, type ForeignReply } from '@keyhsm/service'
import { parseAcls } from '../../src/access/acls.js'
import { createGroups } from '../../src/access/groups.js'
import { readProxyUsers } from '../../src/access/proxy-users.js'
import type { ApiSettings } from '../../src/api/call.js'
import { openAuditTrail } from '../../src/audit/audit-trail.js'
import { parseNameRules } from '../../src/authentication/auth-to-local.js'
import {
  Authenticator,
  type AuthenticationSettings,
  type Negotiator,
} from '../../src/authentication/authenticator.js'
import { TokenOperations } from '../../src/authentication/token-operations.js'
import { TokenStates } from '../../src/authentication/token-states.js'
import { toConfiguration } from '../../src/configuration/configuration.js'
import { createMeters } from '../../src/metrics/meters.js'
import { handleRequest } from '../../src/service/handle-request.js'
import { SharedSecrets } from '../../src/shared/shared-secrets.js'
import { KeyDirectory } from '../../src/zone-keys/key-directory.js'
import { Repetitions } from '../../src/zone-keys/repetition.js'
import { VersionCache } from '../../src/zone-keys/version-cache.js'
import { MemoryVault } from './memory-vault.js'
import { TestClock } from './test-clock.js'

export const openAcls = xml({
  'default.key.acl.MANAGEMENT': '*',
  'default.key.acl.GENERATE_EEK': '*',
  'default.key.acl.DECRYPT_EEK': '*',
  'default.key.acl.READ': '*',
})

/** A configuration file. */
export function xml(properties: Readonly<Record<string, string>>): string {
  const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const lines = Object.entries(properties).map(
    ([name, value]) =>
      `<property><name>${escape(name)}</name><value>${escape(value)}</value></property>`,
  )
  return `<configuration>\n${lines.join('\n')}\n</configuration>`
}

export interface TestKmsOptions {
  readonly vault?: MemoryVault
  readonly clock?: TestClock
  readonly acls?: string
  readonly site?: Readonly<Record<string, string>>
  readonly api?: Partial<ApiSettings>
  readonly authentication?: Partial<AuthenticationSettings>
  readonly negotiator?: Negotiator
  readonly cacheMs?: number
  readonly cacheUses?: number
  readonly describeMs?: number
  readonly mechanism?: 'hadoop' | 'mit'
  readonly groups?: Readonly<Record<string, readonly string[]>>
}

export interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly user?: string
  readonly peer?: string
  /** What becomes of the reply. */
  readonly delivered?: boolean
}

export interface Got {
  readonly status: number
  readonly reason: string | undefined
  readonly headers: Record<string, string>
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into replies of any shape
  readonly json: any
}

export async function makeTestKms(o: TestKmsOptions = {}) {
  const vault = o.vault ?? new MemoryVault()
  const clock = o.clock ?? new TestClock()
  const entries: AuditEntry[] = []
  const lines: string[] = []
  const auditFaults: Error[] = []
  let acls = parseAcls(toConfiguration(o.acls ?? openAcls, 'kms-acls.xml'))
  const secrets = new SharedSecrets({
    vault,
    clock,
    refreshMs: 30_000,
    rotation: () => ({
      cookies: { everyMs: 36_000_000, acceptedMs: 36_000_000 },
      masterKeys: { everyMs: 86_400_000, acceptedMs: 604_800_000 },
    }),
  })
  const states = new TokenStates({
    vault,
    clock,
    maxAgeMs: () => 5_000,
    renewIntervalMs: () => 86_400_000,
  })
  const audit = openAuditTrail(
    {
      async append(entry) {
        const fault = auditFaults.shift()
        if (fault) throw fault
        entries.push(entry)
        return { sequence: entries.length, hash: '' }
      },
    },
    clock,
    (line) => lines.push(line.slice(24, -1)),
  )
  const groups = createGroups(new Map(Object.entries(o.groups ?? {})), clock, async () => [])
  const versions = new VersionCache(vault, clock, () => ({
    maxAgeMs: o.cacheMs ?? 600_000,
    maxUses: o.cacheUses ?? 1_000_000,
  }))
  const keys = {
    vault,
    clock,
    versions,
    directory: new KeyDirectory(vault, clock, () => o.describeMs ?? 30_000),
    repetitions: new Repetitions(newUuid(), () => 10_000),
  }
  const type = o.authentication?.type ?? 'simple'
  const meters = createMeters(clock)
  const authenticator = new Authenticator({
    settings: {
      type,
      cookieValidityMs: 36_000_000,
      cookieDomain: undefined,
      cookiePath: undefined,
      cookiePersistent: false,
      signatureSecret: undefined,
      ...o.authentication,
    },
    secrets,
    tokens: new TokenOperations({
      secrets,
      states,
      audit,
      clock,
      maxLifetimeMs: () => 604_800_000,
      scheme: type === 'kerberos' ? 'Negotiate' : 'PseudoAuth',
    }),
    rules: parseNameRules('DEFAULT', {
      mechanism: o.mechanism ?? 'hadoop',
      defaultRealm: 'EXAMPLE.COM',
      field: 'rules',
    }),
    proxies: await readProxyUsers(
      toConfiguration(xml(o.site ?? {}), 'kms-site.xml'),
      groups,
      () => {},
    ),
    negotiator: o.negotiator,
    clock,
    onUnauthenticated: (parts, message, caller) =>
      audit.record({
        status: 'UNAUTHENTICATED',
        caller,
        peerAddress: parts.peerAddress,
        message: `ErrorMsg:'${message}'`,
      }),
  })
  const api: ApiSettings = {
    defaultCipher: 'AES/CTR/NoPadding',
    defaultBits: 128,
    keyAuthorization: true,
    exportMaterial: true,
    maxKeysPerCall: 1000,
    maxBatch: 50_000,
    ...o.api,
  }
  const faults: unknown[] = []
  const kms = { keys, acls: () => acls, groups, audit, meters, clock, settings: () => api }
  const metrics = await openMetrics('test')
  const context = {
    kms,
    authenticator,
    metrics,
    processName: 'KMS',
    onFault: (error: unknown) => faults.push(error),
  }

  /** Sends one request; `user` stands for `user.name`. */
  async function ask(target: string, sent: Sent = {}): Promise<Got> {
    const { method = 'GET', headers = {}, body, user, peer = '127.0.0.1', delivered = true } = sent
    const joined =
      user === undefined ? target : `${target}${target.includes('?') ? '&' : '?'}user.name=${user}`
    const bytes =
      body === undefined
        ? Buffer.alloc(0)
        : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    const reply = await handleRequest(context, {
      method,
      target: `/kms${joined}`,
      headers: { host: 'kms:9600', ...headers },
      body: bytes,
      peerAddress: peer,
      secure: false,
      signal: new AbortController().signal,
      delivered: Promise.resolve(delivered),
    })
    return toGot(reply)
  }

  return {
    ask,
    vault,
    clock,
    keys,
    secrets,
    states,
    trail: audit,
    entries,
    lines,
    faults,
    auditFaults,
    meters,
    setAcls(text: string) {
      acls = parseAcls(toConfiguration(text, 'kms-acls.xml'))
    },
    close() {
      versions.close()
      meters.close()
      metrics.close()
    },
  }
}

export type TestKms = Awaited<ReturnType<typeof makeTestKms>>

function toGot({ status, reason, headers = {}, body = '' }: ForeignReply): Got {
  const text = body.toString()
  const isJson = text.startsWith('{') || text.startsWith('[')
  return {
    status,
    reason,
    headers: headers as Record<string, string>,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  }
}
