/** The table of the API: endpoint and method → what answers it. */
import type { Endpoint } from './call.js'
import {
  createKeyEndpoint,
  deleteKeyEndpoint,
  invalidateCacheEndpoint,
  rollKeyEndpoint,
  trusteeKeyEndpoint,
} from './manage-keys.js'
import type { EndpointName } from './match-path.js'
import {
  currentVersionEndpoint,
  keysMetadataEndpoint,
  metadataEndpoint,
  namesEndpoint,
  versionEndpoint,
  versionsEndpoint,
} from './read-keys.js'
import { generateEndpoint, reencryptBatchEndpoint, versionEekEndpoint } from './use-keys.js'

export type Method = 'GET' | 'POST' | 'DELETE'

export const endpoints: Readonly<
  Record<EndpointName, Readonly<Partial<Record<Method, Endpoint>>>>
> = {
  keys: { POST: { meter: 'admin', run: createKeyEndpoint } },
  names: { GET: { meter: 'admin', run: namesEndpoint } },
  'keys-metadata': { GET: { meter: 'admin', run: keysMetadataEndpoint } },
  key: {
    GET: { meter: 'admin', run: metadataEndpoint },
    POST: { meter: 'admin', run: rollKeyEndpoint },
    DELETE: { meter: 'admin', run: deleteKeyEndpoint },
  },
  metadata: { GET: { meter: 'admin', run: metadataEndpoint } },
  'current-version': { GET: { meter: 'key', run: currentVersionEndpoint } },
  versions: { GET: { meter: 'key', run: versionsEndpoint } },
  'key-eek': { GET: { meter: 'generate_eek', run: generateEndpoint } },
  'invalidate-cache': { POST: { meter: 'admin', run: invalidateCacheEndpoint } },
  'reencrypt-batch': { POST: { meter: 'reencrypt_eek_batch', run: reencryptBatchEndpoint } },
  'version-eek': { POST: { meter: 'decrypt_eek', run: versionEekEndpoint } },
  version: { GET: { meter: 'key', run: versionEndpoint } },
  'trustee-key': { POST: { meter: 'admin', run: trusteeKeyEndpoint } },
}
