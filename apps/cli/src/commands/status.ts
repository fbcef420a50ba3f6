/** `keytrustee status`: who this client is, and whether its server answers. */
import {
  findClientSettings,
  fingerprintOfRecipient,
  fingerprintOf,
  formatFingerprint,
  formatWriterKey,
  identityFingerprint,
  splitPem,
} from '@keyhsm/client'
import { type Command, type Input, printFields } from '@keyhsm/command-line'
import { withTrustee } from '../with-trustee.js'

type Status = Readonly<Record<string, unknown>>

export const statusCommand: Command = {
  name: 'status',
  summary: 'say who this client is and whether its server answers',
  run: status,
  print: (value: Status, io) => printFields(value, io),
}

/** For which recovery recipient this client seals besides. */
function recoveryOf(pinned: string | undefined, announced: string | undefined): string {
  if (pinned !== undefined) {
    const same = announced === pinned ? '' : ' (the server announces another one, or none)'
    return `${fingerprintOfRecipient(pinned)}${same}`
  }
  return announced === undefined ? 'none' : 'not pinned: see keytrustee recovery'
}

async function status(input: Input): Promise<Status> {
  const waiting = await findClientSettings(input.home.client)
  if (waiting?.state === 'waiting') {
    const { server, organisationName, clientName, client, state } = waiting
    return { state, server, organisation: organisationName, clientName, client }
  }
  return await withTrustee(
    input,
    () => {},
    async ({ client, trustee }) => {
      const { settings } = client
      const self = await trustee.self()
      const pins = splitPem(settings.serverCertificates, 'client.json')
      return {
        state: settings.state,
        server: settings.server,
        serverFingerprint: pins.map((pin) => formatFingerprint(fingerprintOf(pin))).join(' '),
        organisation: self.organisationName,
        clientName: self.clientName,
        client: self.client,
        identityFingerprint: identityFingerprint(formatWriterKey(client.keys.identityKey)),
        deposits: self.deposits,
        sealing: self.sealing,
        clientSealing: settings.sealing ?? 'age',
        recovery: recoveryOf(settings.recovery, self.recovery),
        certificateExpiresAt: self.certificateExpiresAt,
      }
    },
  )
}
