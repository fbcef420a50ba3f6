/** What can be set on the test server, most of it while it runs. */
import type { DataForm } from '../wire/data-element.js'

/** The settings that the manual asks an operator to make on the appliance; each default is the right one. */
export interface ApplianceSettings {
  /** Protocol of the port. */
  protocol: 'nae-xml' | 'kmip' | 'http'
  /** Allow Key and Policy Configuration Operations. */
  keyOperations: boolean
  /** Password Authentication. */
  passwordAuthentication: 'required' | 'optional' | 'not-used'
  /** Client Certificate Authentication. */
  clientCertificate: 'not-used' | 'required'
  /** KeySecure Crypto Operations. */
  cryptoOperations: boolean
}

/** How the server behaves on the wire, and what its release knows. */
export interface Behaviour {
  /** Refuse elements that the document does not name, and a wrong order. */
  strict: boolean
  /** `texts`: sentences; `numbers`: only numbers, as if of a release whose texts nobody has seen. */
  errors: 'texts' | 'numbers'
  /** Answer to an absent key as to one without permission. */
  mergesMissing: boolean
  versions: readonly string[]
  /** Algorithms of CryptoRequest that this release lacks. */
  lacksAlgorithms: readonly string[]
  /** Algorithms of KeyGenRequest that this release lacks. */
  lacksKeys: readonly string[]
  /** Most keys. */
  capacity: number
  /** Whether KeyNamesRequest knows pages. */
  pages: boolean
  latencyMs: number
  /** Bytes a write; 0: all at once. */
  dribbleBytes: number
  /** Form and chunk length of data in answers. */
  dataForm: DataForm
  chunkBytes: number
  signatures: 'der' | 'raw'
  /** Echo another ID. */
  wrongId: boolean
  /** Close the connection in the middle of each answer to a request of this name. */
  cutsAnswersTo: string
  /** Half-close after so many answers on a connection: the server ends its side and goes on reading. */
  halfClosesAfter: number
  /** RSA pairs that are made of each size before they are used again. */
  rsaPairs: number
  /** Ignore the associated data of GCM. */
  ignoresAad: boolean
}

export const rightSettings: ApplianceSettings = {
  protocol: 'nae-xml',
  keyOperations: true,
  passwordAuthentication: 'required',
  clientCertificate: 'not-used',
  cryptoOperations: true,
}

export const plainBehaviour: Behaviour = {
  strict: true,
  errors: 'texts',
  mergesMissing: false,
  versions: ['7.0', '6.9', '6.3', '6.0', '3.1', '3.0', '2.10', '2.2'],
  lacksAlgorithms: [],
  lacksKeys: [],
  capacity: Number.POSITIVE_INFINITY,
  pages: true,
  latencyMs: 0,
  dribbleBytes: 0,
  dataForm: 'Data',
  chunkBytes: 128 * 1024,
  signatures: 'der',
  wrongId: false,
  cutsAnswersTo: '',
  halfClosesAfter: Number.POSITIVE_INFINITY,
  rsaPairs: Number.POSITIVE_INFINITY,
  ignoresAad: false,
}

export interface TestUser {
  readonly name: string
  readonly password: string
  /** Member of the group whose members may create keys. */
  readonly mayCreateKeys: boolean
}
