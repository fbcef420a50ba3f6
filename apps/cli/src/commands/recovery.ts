/** `keytrustee recovery`: the organisation's offline recipient is compared once, and sealed for from then on. */
import {
  anotherRecovery,
  fingerprintOfRecipient,
  type LocalClient,
  writeLocalClient,
} from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  optionText,
  printFields,
} from '@keyhsm/command-line'
import { type Fingerprint, invalidInput, parseFingerprint } from '@keyhsm/core'
import { sayRecovery } from '../recovery-words.js'
import { withTrustee } from '../with-trustee.js'

interface Recovery {
  /** SHA-256 of the recipients. */
  readonly pinned: Fingerprint | 'none'
  readonly announced: Fingerprint | 'none'
}

export const recoveryCommand: Command = {
  name: 'recovery',
  summary: 'show or pin the offline recipient for which everything is sealed besides',
  options: [
    {
      flag: 'fingerprint',
      value: 'F',
      describe:
        'pin the announced recipient, which must have this SHA-256 (ktadmin org set-recovery)',
      check: (text) => parseFingerprint(text, '--fingerprint'),
    },
    { flag: 'none', describe: 'seal for no recovery recipient any more' },
  ],
  run: recovery,
  print: (shown: Recovery, io) => printFields({ ...shown }, io),
}

async function recovery(input: Input, io: Io): Promise<Recovery> {
  const fingerprint = optionText(input, 'fingerprint')
  const none = optionGiven(input, 'none')
  if (none && fingerprint !== undefined)
    throw invalidInput('--none', 'cannot be combined with --fingerprint')
  return withTrustee(
    input,
    () => {},
    async ({ client, trustee }) => {
      const { recovery: announced } = await trustee.self()
      if (fingerprint !== undefined)
        requireAnnounced(announced, parseFingerprint(fingerprint, '--fingerprint'))
      const before = client.settings.recovery
      const pinned = none ? undefined : fingerprint === undefined ? before : announced
      if (pinned !== before) await save(input.home.client, client, pinned)
      if (!none) sayRecovery({ pinned, announced }, io)
      return { pinned: shownOf(pinned), announced: shownOf(announced) }
    },
  )
}

/** @throws ERR_INTEGRITY: nothing is pinned then. */
function requireAnnounced(announced: string | undefined, expected: Fingerprint): void {
  if (announced === undefined || fingerprintOfRecipient(announced) !== expected)
    throw anotherRecovery(announced)
}

async function save(folder: string, { settings }: LocalClient, pinned: string | undefined) {
  const { recovery: _, ...others } = settings
  await writeLocalClient(folder, pinned === undefined ? others : { ...others, recovery: pinned })
}

function shownOf(recipient: string | undefined): Fingerprint | 'none' {
  return recipient === undefined ? 'none' : fingerprintOfRecipient(recipient)
}
