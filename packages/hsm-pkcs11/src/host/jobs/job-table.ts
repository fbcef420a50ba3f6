/**
 * Every job a worker can do, and what the scheduler must know of it.
 *
 * `access`: `use` works on handles it is given and may run beside anything but an exclusive write; `look` searches or
 * reads objects; `make` makes a key that nobody else knows yet; `write` changes or destroys token objects. All but use take
 * the cross-process lock where a profile has one. `repeatable`: running it twice does no harm, so a lost session is reopened and the job run again.
 */
import type { DeviceMemory } from '@keyhsm/hsm'
import type { CryptokiHandle } from '../../cryptoki.js'
import type { Findings } from '../../messages.js'
import { type AesWrapArgs, unwrapAes, wrapAes } from './aes-wrap.js'
import { type CreatedKey, type CreateKeyArgs, createKey } from './create-key.js'
import { type DeriveSecretArgs, deriveSecret } from './derive-secret.js'
import { describeKey, describeKeys, type KeyDescription, type WholeKey } from './describe-key.js'
import {
  type FindKeyArgs,
  findKeyObjects,
  type KeyHandles,
  type ScanArgs,
  scanObjects,
} from './find-objects.js'
import type { JobSession } from './job-session.js'
import {
  destroyObject,
  proveObject,
  type RenameArgs,
  renameObjects,
  touchToken,
} from './object-state.js'
import { probeToken } from './probe-token.js'
import { type IdentifiedObject, readIds } from './read-ids.js'
import { decryptOaep, encryptOaep, type RsaOaepArgs } from './rsa-oaep.js'
import { type SignArgs, sign } from './sign.js'
import { encryptProvedOaep, type ProvedOaepArgs, wrapProvedAes } from './wrap-proved.js'

/** Arguments and result of each job. */
export interface Jobs {
  findKeyObjects: { args: FindKeyArgs; result: KeyHandles }
  /** The second look: nobody writes meanwhile, and a session of its own. */
  confirmKeyObjects: { args: FindKeyArgs; result: KeyHandles }
  scanObjects: { args: ScanArgs; result: readonly CryptokiHandle[] | undefined }
  readIds: { args: readonly CryptokiHandle[]; result: readonly IdentifiedObject[] }
  describeKey: { args: WholeKey; result: KeyDescription | undefined }
  describeKeys: { args: readonly WholeKey[]; result: readonly (KeyDescription | undefined)[] }
  proveObject: { args: CryptokiHandle; result: true }
  encryptOaep: { args: RsaOaepArgs; result: Buffer }
  encryptProvedOaep: { args: ProvedOaepArgs; result: Buffer }
  decryptOaep: { args: RsaOaepArgs; result: Buffer }
  wrapAes: { args: AesWrapArgs; result: Buffer }
  wrapProvedAes: { args: AesWrapArgs; result: Buffer }
  unwrapAes: { args: AesWrapArgs; result: Buffer }
  deriveSecret: { args: DeriveSecretArgs; result: Buffer }
  sign: { args: SignArgs; result: Buffer }
  createKey: { args: CreateKeyArgs; result: CreatedKey }
  destroyObject: { args: CryptokiHandle; result: true }
  renameObjects: { args: RenameArgs; result: true }
  touchToken: { args: undefined; result: DeviceMemory | undefined }
  probeToken: { args: undefined; result: Findings }
}

export type JobName = keyof Jobs
export type Access = 'use' | 'look' | 'make' | 'write'

interface JobTrait<Name extends JobName> {
  readonly run: (session: JobSession, args: Jobs[Name]['args']) => Jobs[Name]['result']
  readonly access: Access
  readonly repeatable: boolean
  /** Which side of it is a secret that the worker wipes: the field `input` of its arguments, or its result. */
  readonly secret?: 'input' | 'result'
}

export const jobTable: { readonly [Name in JobName]: JobTrait<Name> } = {
  findKeyObjects: { run: findKeyObjects, access: 'look', repeatable: true },
  confirmKeyObjects: { run: findKeyObjects, access: 'write', repeatable: true },
  scanObjects: { run: scanObjects, access: 'look', repeatable: true },
  readIds: { run: readIds, access: 'look', repeatable: true },
  describeKey: { run: describeKey, access: 'look', repeatable: true },
  describeKeys: { run: describeKeys, access: 'look', repeatable: true },
  proveObject: { run: proveObject, access: 'use', repeatable: true },
  encryptOaep: { run: encryptOaep, access: 'use', repeatable: true, secret: 'input' },
  encryptProvedOaep: { run: encryptProvedOaep, access: 'use', repeatable: true, secret: 'input' },
  decryptOaep: { run: decryptOaep, access: 'use', repeatable: true, secret: 'result' },
  wrapAes: { run: wrapAes, access: 'use', repeatable: true, secret: 'input' },
  wrapProvedAes: { run: wrapProvedAes, access: 'use', repeatable: true, secret: 'input' },
  unwrapAes: { run: unwrapAes, access: 'use', repeatable: true, secret: 'result' },
  deriveSecret: { run: deriveSecret, access: 'use', repeatable: true, secret: 'result' },
  sign: { run: sign, access: 'use', repeatable: true, secret: 'result' },
  createKey: { run: createKey, access: 'make', repeatable: false },
  destroyObject: { run: destroyObject, access: 'write', repeatable: false },
  renameObjects: { run: renameObjects, access: 'write', repeatable: true },
  touchToken: { run: touchToken, access: 'use', repeatable: true },
  probeToken: { run: probeToken, access: 'write', repeatable: true },
}

/** Jobs after which the token may have changed, and the one that takes the directory's measure. */
export function stamped(name: JobName): boolean {
  const { access } = jobTable[name]
  return access === 'make' || access === 'write' || name === 'scanObjects'
}
