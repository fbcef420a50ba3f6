/**
 * One session with an appliance in which everything that Key HSM will ever ask is asked once, written down redacted: for an
 * operator who has an appliance, to compare with docs/protocols/nae-xml.md. The keys it makes are removed again.
 */
import { randomBytes } from 'node:crypto'
import { DomainError, type HsmKeyId, SecretBytes } from '@keyhsm/core'
import type { HsmCapabilities, KeyKind, KeyUse } from '@keyhsm/hsm'
import { connectWitnessed } from '../connect.js'
import type { Witness } from '../connection/nae-link.js'
import { defaultDialect } from '../dialect/dialect.js'
import type { NaeHsm } from '../nae-hsm.js'
import {
  type ApplianceReport,
  type CheckApplianceOptions,
  checkAppliance,
} from './check-appliance.js'
import { redactMessage } from './redact-message.js'

export type ProbeOptions = Omit<CheckApplianceOptions, 'witness' | 'onStep'>

export interface ProbeReport extends ApplianceReport {
  /** `-- what is tried`, `→ request`, `← answer`; redacted. */
  readonly session: readonly string[]
  /** Undefined when a fault ended the session before. */
  readonly capabilities: Pick<HsmCapabilities, 'kinds' | 'wrapAlgorithms'> | undefined
  /** What did not work of the keys that the appliance should be able to make and use. */
  readonly failures: readonly string[]
}

/** Logs in once for the walk and, when that went well, once for the rest. */
export async function probeAppliance(options: ProbeOptions): Promise<ProbeReport> {
  const session: string[] = []
  const dialect = options.dialect ?? defaultDialect
  const { host } = options.node
  const password = options.password.expose((bytes) => bytes.toString('utf8'))
  const redaction = { dialect, private: [password, options.user, host] }
  const witness: Witness = (direction, message) => {
    const line = redactMessage(message, redaction)
    session.push(`${direction === 'sent' ? '→' : '←'} ${line}`)
  }
  const onStep = (step: string) => session.push(`-- ${step}`)
  const report = await checkAppliance({ ...options, onStep, witness })
  const failures: string[] = []
  if (report.faults.length > 0) return { ...report, session, capabilities: undefined, failures }
  session.push('-- what the appliance can do')
  const { node, ...rest } = options
  const hsm = await connectWitnessed({ ...rest, nodes: [node], connections: 1 }, witness)
  try {
    for (const kind of hsm.capabilities.kinds) {
      session.push(`-- ${kind}`)
      await tryKind(hsm, kind).catch((error: unknown) => {
        if (!(error instanceof DomainError)) throw error
        failures.push(`${kind}: ${error.message}`)
      })
    }
  } finally {
    await hsm.close()
  }
  const { kinds, wrapAlgorithms } = hsm.capabilities
  return { ...report, session, capabilities: { kinds, wrapAlgorithms }, failures }
}

const useOf: Readonly<Record<KeyKind, KeyUse>> = {
  'ec-p256': 'sign',
  'rsa-2048': 'wrap',
  'rsa-3072': 'wrap',
  'aes-256': 'wrap',
  'hmac-sha256': 'authenticate',
  'cmac-aes-256': 'authenticate',
}

/** The life of a key: made, found, used, destroyed. */
async function tryKind(hsm: NaeHsm, kind: KeyKind): Promise<void> {
  const id = randomBytes(16).toString('hex') as HsmKeyId
  const key = await hsm.createKey({ id, label: `probe-${kind}`, kind, use: useOf[kind] })
  const message = Buffer.from('keyhsm nae-probe')
  try {
    if (key.use === 'sign') await hsm.sign(id, message)
    else if (key.use === 'authenticate') (await hsm.authenticate(id, message)).wipe()
    else {
      const wrapped = await hsm.wrapKey(id, SecretBytes.random(32), message)
      const back = await hsm.unwrapKey(id, wrapped, message)
      back.wipe()
    }
  } finally {
    await hsm.destroyKey(id)
  }
}
