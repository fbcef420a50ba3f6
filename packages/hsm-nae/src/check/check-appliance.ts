/**
 * Walks through everything that Key HSM will do on an appliance, with a key that is made for it and removed again, and
 * names what is wrong. A fault is concluded from which step fails, not from the appliance's words, which differ by release.
 * The password is tried once. Which step failed where is what the manual's list of settings explains.
 */
import { randomBytes } from 'node:crypto'
import type { SecretBytes } from '@keyhsm/core'
import type { NaeLink, NaeRequest, Witness } from '../connection/nae-link.js'
import { logIn, openLink } from '../connection/open-link.js'
import { defaultDialect, type NaeDialect } from '../dialect/dialect.js'
import { LinkError, NaeRefusal } from '../failure.js'
import { cryptoRequest, randGenRequest } from '../messages/crypto.js'
import { keyDelRequest, keyGenRequest, keyNamesRequest } from '../messages/keys.js'
import { deviceInfoRequest, parseDeviceInfo } from '../messages/session.js'
import {
  defaultTimers,
  type LinkOptions,
  type NaeNode,
  type NaeTimers,
  type NaeTls,
} from '../options.js'
import {
  type ApplianceFault,
  type ApplianceFaultCode,
  applianceFault,
  linkFault,
} from './appliance-faults.js'
import { fetchApplianceCertificate } from './server-certificate.js'

/** What is tried, in this order. `open-session` asks for something without a login, which must be refused. */
export type CheckStep =
  | 'connect'
  | 'open-session'
  | 'login'
  | 'device'
  | 'list'
  | 'random'
  | 'make-key'
  | 'use-key'
  | 'delete-key'

export interface CheckApplianceOptions {
  readonly node: NaeNode
  /** Absent: plain TCP. */
  readonly tls?: NaeTls
  readonly user: string
  /** Not kept. */
  readonly password: SecretBytes
  readonly dialect?: NaeDialect
  readonly timers?: Partial<NaeTimers>
  /** Called before each step. */
  readonly onStep?: (step: CheckStep) => void
  /** Sees every message, the login's too; whoever prints them must redact them. */
  readonly witness?: Witness
}

export interface ApplianceReport {
  /** Empty: everything works. The first is the cause, where one follows from another. */
  readonly faults: readonly ApplianceFault[]
  /** Protocol version that the appliance chose. */
  readonly version: string | undefined
  /** What the appliance says of itself. */
  readonly device: string | undefined
}

/** Ends the walk: what follows would say nothing more. */
class Stop extends Error {
  readonly fault: ApplianceFault

  constructor(fault: ApplianceFault) {
    super(fault.message)
    this.fault = fault
  }
}

class Walk {
  readonly options: CheckApplianceOptions
  readonly link: LinkOptions
  readonly faults: ApplianceFault[] = []
  version: string | undefined
  device: string | undefined

  constructor(options: CheckApplianceOptions) {
    this.options = options
    const timers = { ...defaultTimers, ...options.timers }
    const dialect = options.dialect ?? defaultDialect
    this.link = { tls: options.tls, user: options.user, dialect, timers }
  }

  begin(step: CheckStep): void {
    this.options.onStep?.(step)
  }
}

/** Never throws for what an appliance does; the walk ends at the first fault that hides what follows. */
export async function checkAppliance(options: CheckApplianceOptions): Promise<ApplianceReport> {
  const walk = new Walk(options)
  try {
    await tryWithoutLogin(walk)
    await tryWithLogin(walk)
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    walk.faults.push(error.fault)
  }
  const { faults, version, device } = walk
  return { faults, version, device }
}

async function tryWithoutLogin(walk: Walk): Promise<void> {
  walk.begin('connect')
  const link = await open(walk)
  try {
    walk.begin('open-session')
    const refused = await ask(walk, link, keyNamesRequest(walk.link.dialect, 0, 1))
    if (!refused) walk.faults.push(applianceFault('password-not-required'))
  } catch (error) {
    // An appliance may also hang up on whoever has not logged in; a client certificate is asked for here in TLS 1.3.
    if (!(error instanceof Stop) || error.fault.code !== 'lost') throw error
  } finally {
    link.close()
  }
}

async function tryWithLogin(walk: Walk): Promise<void> {
  const link = await open(walk)
  try {
    walk.begin('login')
    await enter(walk, link)
    walk.begin('device')
    await describe(walk, link)
    walk.begin('list')
    const { dialect } = walk.link
    const unlisted = await ask(walk, link, keyNamesRequest(dialect, 0, 1))
    if (unlisted) throw new Stop(applianceFault('request-refused', unlisted.message))
    walk.begin('random')
    const noRandom = await ask(walk, link, randGenRequest(dialect, 32))
    if (noRandom) walk.faults.push(applianceFault('crypto-operations-off', noRandom.message))
    await tryKey(walk, link)
  } finally {
    link.close()
  }
}

async function tryKey(walk: Walk, link: NaeLink): Promise<void> {
  const { dialect, timers } = walk.link
  const name = `keyhsm-probe-${randomBytes(8).toString('hex')}`
  const key = {
    name,
    algorithm: dialect.values.aesKey,
    bits: 256,
    curve: undefined,
    attributes: {},
  }
  walk.begin('make-key')
  const unmade = await ask(walk, link, keyGenRequest(dialect, key), timers.keyGenMs)
  if (unmade) throw new Stop(applianceFault(whyUnmade(unmade), unmade.message))
  walk.begin('use-key')
  const call = {
    action: 'encrypt',
    keyName: name,
    algorithm: 'aesCbc',
    iv: randomBytes(16),
    data: randomBytes(32),
  } as const
  const unused = await ask(walk, link, cryptoRequest(dialect, call))
  if (unused && walk.faults.every(({ code }) => code !== 'crypto-operations-off')) {
    walk.faults.push(applianceFault('crypto-operations-off', unused.message))
  }
  walk.begin('delete-key')
  const undeleted = await ask(walk, link, keyDelRequest(dialect, name))
  if (undeleted) {
    walk.faults.push(
      applianceFault('user-may-not-delete-keys', `${undeleted.message}; key ${name}`),
    )
  }
}

/** Only words tell the two apart; where they say nothing the manual's setting is the likelier cause. */
function whyUnmade({ means }: NaeRefusal): ApplianceFaultCode {
  return means === 'forbidden' ? 'user-may-not-create-keys' : 'key-operations-off'
}

async function open(walk: Walk): Promise<NaeLink> {
  try {
    const { link, version } = await openLink(walk.options.node, walk.link, walk.options.witness)
    walk.version = version
    return link
  } catch (error) {
    if (error instanceof NaeRefusal) {
      throw new Stop(applianceFault('version-not-supported', error.message))
    }
    throw (await speaksTls(walk, error)) ? new Stop(applianceFault('tls-only')) : toStop(error)
  }
}

/** A port for TLS may answer plain bytes with an alert, or just hang up: then a handshake tells. */
async function speaksTls(walk: Walk, error: unknown): Promise<boolean> {
  const hungUp = error instanceof LinkError && error.fault === 'lost'
  if (!hungUp || walk.link.tls !== undefined) return false
  const { node } = walk.options
  const shown = await fetchApplianceCertificate(node, new Date(), walk.link.timers.connectMs)
  return 'certificate' in shown
}

async function enter(walk: Walk, link: NaeLink): Promise<void> {
  try {
    await logIn(link, walk.link, walk.options.password)
  } catch (error) {
    if (!(error instanceof NaeRefusal)) throw toStop(error)
    // Where nobody needs to log in, a refused login says more about the setting than about the password.
    const open = walk.faults.some(({ code }) => code === 'password-not-required')
    if (open && error.means !== 'login-refused') walk.faults.pop()
    const unused = open && error.means !== 'login-refused'
    throw new Stop(applianceFault(unused ? 'password-not-used' : 'login-refused', error.message))
  }
}

async function describe(walk: Walk, link: NaeLink): Promise<void> {
  const { dialect, timers } = walk.link
  try {
    const { element } = await link.request(deviceInfoRequest(), timers.readMs)
    walk.device = parseDeviceInfo(dialect, element)
  } catch (error) {
    // Nothing depends on what the appliance says of itself.
    if (!(error instanceof NaeRefusal)) throw toStop(error)
    if (error.fatal) throw new Stop(applianceFault('request-refused', error.message))
  }
}

/** The refusal, if there was one; a fatal one is a refusal too, after which the next request says `lost`. */
async function ask(
  walk: Walk,
  link: NaeLink,
  request: NaeRequest,
  limitMs: number = walk.link.timers.readMs,
): Promise<NaeRefusal | undefined> {
  try {
    await link.request(request, limitMs)
    return undefined
  } catch (error) {
    if (error instanceof NaeRefusal) return error
    throw toStop(error)
  }
}

function toStop(error: unknown): unknown {
  return error instanceof LinkError ? new Stop(linkFault(error)) : error
}
