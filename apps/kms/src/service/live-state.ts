/** What requests are answered by, built of the settings as one: a reload makes a new one and exchanges it whole. */
import { type Clock, DomainError } from '@keyhsm/core'
import type { Log } from '@keyhsm/service'
import { createGroups, type Groups } from '../access/groups.js'
import { readProxyUsers } from '../access/proxy-users.js'
import { parseNameRules } from '../authentication/auth-to-local.js'
import { Authenticator } from '../authentication/authenticator.js'
import { readDefaultRealm } from '../authentication/default-realm.js'
import { addressOf } from '../authentication/request-parts.js'
import { openNegotiator, SeenAuthentications } from '../authentication/spnego.js'
import { TokenOperations } from '../authentication/token-operations.js'
import type { LiveSettings } from './live-settings.js'
import type { OpenKms } from './open-kms.js'

export interface LiveState {
  readonly live: LiveSettings
  /** Those that the settings say; what this machine said before is forgotten. */
  readonly groups: Groups
  readonly authenticator: Authenticator
  /** Of all states since the start: a reload makes no authentication good again. */
  readonly seen: SeenAuthentications
}

export interface BuildOptions {
  readonly clock: Clock
  readonly log: Pick<Log, 'warn'>
}

/** @throws ERR_SETTINGS for a keytab or name rules that cannot be used. */
export async function buildLiveState(
  { clock, log }: BuildOptions,
  { secrets, states, trail }: Pick<OpenKms, 'secrets' | 'states' | 'trail'>,
  live: LiveSettings,
  seen = new SeenAuthentications(),
): Promise<LiveState> {
  const { authentication, tokens, staticGroups } = live.site
  const groups = createGroups(staticGroups, clock)
  const negotiator = await openNegotiator(live.site, seen, clock)
  if (authentication.type === 'kerberos' && !negotiator)
    throw new DomainError('ERR_SETTINGS', 'kerberos cannot be used without a keytab')
  const authenticator = new Authenticator({
    settings: { ...authentication, signatureSecret: live.signatureSecret },
    secrets,
    tokens: new TokenOperations({
      secrets,
      states,
      audit: trail,
      clock,
      maxLifetimeMs: () => tokens.maxLifetimeMs,
      scheme: authentication.type === 'kerberos' ? 'Negotiate' : 'PseudoAuth',
    }),
    rules: parseNameRules(authentication.nameRules, {
      mechanism: authentication.nameRulesMechanism,
      defaultRealm: await readDefaultRealm(process.env),
      field: 'hadoop.kms.authentication.kerberos.name.rules',
    }),
    proxies: await readProxyUsers(live.configuration, groups, (words) => log.warn({}, words)),
    negotiator,
    clock,
    onUnauthenticated(parts, message, caller) {
      const { method, peerAddress } = parts
      return trail.record({
        status: 'UNAUTHENTICATED',
        caller,
        peerAddress,
        message: `RemoteHost:${peerAddress} Method:${method} URL:${addressOf(parts)} ErrorMsg:'${message}'`,
      })
    },
  })
  return { live, groups, authenticator, seen }
}
