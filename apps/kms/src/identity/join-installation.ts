/** A further instance becomes the client that the first one is. */
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { findClientSettings, readLocalClient, writePrivateFile } from '@keyhsm/client'
import { DomainError } from '@keyhsm/core'
import type { Paths } from '../paths.js'
import { clientFiles, parseBundle } from './bundle.js'
import type { RegisteredKms } from './register-kms.js'

/**
 * Takes the identity out of a bundle. Doing it again with the same bundle changes nothing.
 * @throws ERR_INVALID_INPUT for another file; ERR_ALREADY_EXISTS when this is registered as another client.
 */
export async function joinInstallation(paths: Paths, bundle: Buffer): Promise<RegisteredKms> {
  const files = parseBundle(bundle)
  const earlier = await findClientSettings(paths.client)
  const given = JSON.parse(files['client.json'] ?? '{}') as { client?: unknown }
  if (earlier && earlier.client !== given.client)
    throw new DomainError('ERR_ALREADY_EXISTS', 'this instance is registered as another client', {
      hints: ['use another --home DIR, or remove the folder client/ of this one first'],
    })
  await mkdir(paths.client, { recursive: true, mode: 0o700 })
  await chmod(paths.client, 0o700)
  for (const name of clientFiles)
    await writePrivateFile(join(paths.client, name), files[name] ?? '')
  const { settings } = await readLocalClient(paths.client)
  const { client, clientName, server, state } = settings
  return { client, clientName, server, state }
}
