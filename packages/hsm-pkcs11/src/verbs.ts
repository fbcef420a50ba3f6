/** What the service process can ask of the host process. */
import type { HsmKeyId } from '@keyhsm/core'
import type { DeviceMemory, KeyKind, KeySpec, KeyUse, WrapAlgorithm } from '@keyhsm/hsm'

/** A key as the host describes it; the service adds the fingerprint. */
export interface KeyFacts {
  readonly id: HsmKeyId
  readonly label: string
  readonly kind: KeyKind
  readonly use: KeyUse
  readonly publicKey: Buffer | undefined
}

/** The verbs of the host: arguments and result of each. */
export interface Verbs {
  create: { args: KeySpec; result: KeyFacts }
  /** The same, when there is nothing else to do. */
  createInBackground: { args: KeySpec; result: KeyFacts }
  rename: { args: { id: HsmKeyId; label: string }; result: KeyFacts }
  find: { args: { id: HsmKeyId }; result: KeyFacts | undefined }
  list: { args: undefined; result: readonly KeyFacts[] }
  /** The key's facts, its private half proved to be there where the profile asks for it. */
  prove: { args: { id: HsmKeyId }; result: KeyFacts }
  wrap: {
    args: { id: HsmKeyId; contentKey: Buffer; binding: Buffer }
    result: { algorithm: WrapAlgorithm; bytes: Buffer }
  }
  /** The same, and the device has given back the content key from these bytes. */
  wrapProved: Verbs['wrap']
  unwrap: {
    args: { id: HsmKeyId; algorithm: WrapAlgorithm; bytes: Buffer; binding: Buffer }
    result: Buffer
  }
  derive: {
    args: { id: HsmKeyId; point: Buffer }
    result: { shared: Buffer; publicKey: Buffer }
  }
  authenticate: { args: { id: HsmKeyId; message: Buffer }; result: Buffer }
  sign: { args: { id: HsmKeyId; digest: Buffer }; result: Buffer }
  destroy: { args: { id: HsmKeyId }; result: 'destroyed' | 'already-gone' }
  recheck: { args: undefined; result: number }
  probe: { args: undefined; result: { keys: number; memory: DeviceMemory | undefined } }
}

export type Verb = keyof Verbs
