/** Refusals of the test server. The texts are ours: the vendor's are not public. */

const texts = {
  parse: [1001, 'The request could not be parsed', true],
  unknownRequest: [1002, 'Unknown request', true],
  unexpected: [1003, 'Unexpected element in request', false],
  order: [1004, 'Bad request: not allowed at this point of the session', true],
  version: [1005, 'None of the versions is supported', true],
  login: [1101, 'Authentication failed: invalid password', false],
  loginUnused: [1102, 'Password authentication is not in use', false],
  notAuthenticated: [1103, 'The session is not authenticated', false],
  unknownKey: [1201, 'Unknown key', false],
  permission: [1202, 'Insufficient permissions', false],
  exists: [1203, 'A key of this name already exists', false],
  notDeletable: [1204, 'The key is not deletable', false],
  notExportable: [1205, 'The key is not exportable', false],
  capacity: [1206, 'The maximum number of keys is reached', false],
  state: [1207, 'The key version is retired', false],
  badState: [1208, 'This change of state is not allowed', false],
  algorithm: [1301, 'Unsupported algorithm', false],
  size: [1302, 'Invalid size', false],
  decryption: [1303, 'Decryption failed', false],
  keyOperations: [1401, 'Key and Policy Configuration Operations are not allowed', false],
  cryptoOperations: [1402, 'Crypto operations are disabled', false],
} as const satisfies Record<string, readonly [number, string, boolean]>

export type RefusalName = keyof typeof texts

export class Refusal extends Error {
  readonly fatal: boolean
  readonly number: number

  constructor(name: RefusalName) {
    const [number, text, fatal] = texts[name]
    super(text)
    this.number = number
    this.fatal = fatal
  }
}
