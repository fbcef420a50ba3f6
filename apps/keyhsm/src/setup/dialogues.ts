/**
 * What setup says and asks, word for word as the original manual has it (oddities included), as data: the common part, each
 * device's own and the lines at its end. SoftHSM and the software token are asked in the same manner.
 */
import type { Hardware } from '../settings.js'

/** Everything that setup may need to know; the names of the flags too. */
export type AnswerName =
  | 'address'
  | 'port'
  | 'token-label'
  | 'slot'
  | 'library-parameters'
  | 'user'
  | 'hsm-address'
  | 'hsm-port'
  | 'ssl'
  | 'server-fingerprint'
  | 'pin'

export type PlainAnswerName = Exclude<AnswerName, 'pin'>

/** Looks outside whether an answer holds. */
export type CheckName =
  | 'listener-address'
  | 'listener-port'
  | 'appliance-address'
  | 'appliance-tls'
  | 'appliance-trust'

export interface Question {
  readonly ask: AnswerName
  readonly prompt: string
  /** Answer to an empty line on the first run. */
  readonly fallback?: string
  /** Shows the fallback too, in brackets; an earlier answer is shown always. */
  readonly showsFallback?: true
  /** How the answer is shown: as typed, not at all, or as five stars whatever its length. */
  readonly echo?: 'nothing' | 'stars'
  /** The answer is Y or N; capital letters mark the fallback in the prompt already. */
  readonly yesOrNo?: true
  readonly check?: CheckName
  /** What was checked, for `… :[ Successful ]`. */
  readonly checked?: string
  /** Said after the answer; `{}` is the answer. */
  readonly says?: string
  /** Asked only when this answer is `yes`. */
  readonly onlyIf?: PlainAnswerName
  /** The certificate that the appliance shows is printed before the question. */
  readonly showsCertificate?: true
  /** May stay open where nobody is asked. */
  readonly optional?: true
}

/** A line that is said, or a question. */
export type Step = string | Question

export const generalSteps: readonly Step[] = [
  '-- Configuring keyHsm General Setup --',
  'Cloudera Recommends to use 127.0.0.1 as the listener port for Key HSM',
  {
    ask: 'address',
    prompt: 'Please enter Key HSM SSL listener IP address: ',
    fallback: '127.0.0.1',
    showsFallback: true,
    check: 'listener-address',
    says: 'Will attempt to setup listener on {}',
  },
  {
    ask: 'port',
    prompt: 'Please enter Key HSM SSL listener PORT number: ',
    fallback: '9090',
    check: 'listener-port',
    checked: 'validate Port:',
  },
]

export const deviceSteps: Readonly<Record<Hardware, readonly Step[]>> = {
  keysecure: [
    '-- Ingrian HSM Credential Configuration --',
    { ask: 'user', prompt: 'Please enter HSM login USERNAME: ' },
    { ask: 'pin', prompt: 'Please enter HSM login PASSWORD: ', echo: 'stars' },
    '',
    { ask: 'hsm-address', prompt: 'Please enter HSM IP Address or Hostname: ' },
    {
      ask: 'hsm-port',
      prompt: 'Please enter HSM Port number: ',
      fallback: '9000',
      check: 'appliance-address',
      checked: 'Valid address:',
    },
    {
      ask: 'ssl',
      prompt: 'Use SSL? [Y/n] ',
      yesOrNo: true,
      fallback: 'yes',
      check: 'appliance-tls',
    },
    {
      ask: 'server-fingerprint',
      prompt: 'Trust this server? [y/N] ',
      yesOrNo: true,
      fallback: 'no',
      onlyIf: 'ssl',
      showsCertificate: true,
      check: 'appliance-trust',
      checked: '\nTrusted server:',
    },
  ],
  ncipher: [
    {
      ask: 'pin',
      prompt: 'Please enter the OCS Card Password (input suppressed):',
      echo: 'nothing',
    },
    '',
  ],
  luna: [
    '-- Configuring SafeNet Luna HSM --',
    { ask: 'slot', prompt: 'Please enter SafeNetHSM Slot Number: ', optional: true },
    {
      ask: 'pin',
      prompt: 'Please enter SafeNet HSM password (input suppressed):',
      echo: 'nothing',
    },
  ],
  cloudhsm: [
    '-- Configuring CloudHSM --',
    { ask: 'user', prompt: 'Please enter the crypto user name: ' },
    {
      ask: 'pin',
      prompt: 'Please enter the crypto user password (input suppressed):',
      echo: 'nothing',
    },
  ],
  softhsm: [
    '-- Configuring SoftHSM --',
    { ask: 'token-label', prompt: 'Please enter SoftHSM Token Label: ', optional: true },
    { ask: 'pin', prompt: 'Please enter SoftHSM PIN (input suppressed):', echo: 'nothing' },
  ],
  nss: [
    '-- Configuring NSS --',
    { ask: 'library-parameters', prompt: 'Please enter NSS Library Parameters: ' },
    {
      ask: 'token-label',
      prompt: 'Please enter NSS Token Label: ',
      fallback: 'NSS Certificate DB',
      showsFallback: true,
    },
    { ask: 'pin', prompt: 'Please enter NSS password (input suppressed):', echo: 'nothing' },
  ],
  'soft-token': [
    '-- Configuring software token --',
    { ask: 'pin', prompt: 'Please enter software token PIN (input suppressed):', echo: 'nothing' },
  ],
}

const saved = "Configuration saved in 'application.properties' file"
const stored = (command: string) =>
  `Configuration stored in: 'application.properties'. (Note: You can also use ${command} to quickly view your current configuration)`

/** The last lines, in each device's own order. */
export const closingLines: Readonly<Record<Hardware, readonly string[]>> = {
  keysecure: [saved, stored('keyhsm settings')],
  ncipher: [saved, stored('service keyHsm settings')],
  luna: [stored('service keyHsm settings'), saved],
  cloudhsm: [saved, stored('keyhsm settings')],
  softhsm: [saved, stored('keyhsm settings')],
  nss: [saved, stored('keyhsm settings')],
  'soft-token': [saved, stored('keyhsm settings')],
}

/** Whether this device's dialogue has the question; an option may say more than a person is asked. */
export function isAsked(answer: AnswerName, hardware: Hardware): boolean {
  const steps = [...generalSteps, ...deviceSteps[hardware]]
  return steps.some((step) => typeof step !== 'string' && step.ask === answer)
}
