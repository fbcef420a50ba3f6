import { type ClientSettings, findClientSettings } from '@keyhsm/client'
import { DomainError } from '@keyhsm/core'

/** What `client.json` in this folder says. @throws ERR_SETTINGS when there is none */
export async function settingsIn(folder: string): Promise<ClientSettings> {
  const settings = await findClientSettings(folder)
  if (settings) return settings
  throw new DomainError('ERR_SETTINGS', 'this client is not registered')
}
