import { DomainError } from '@keyhsm/core'
import { CKF } from '../constants.js'
import type { Cryptoki, CryptokiHandle } from '../cryptoki.js'
import type { TokenChoice, TokenFacts } from '../messages.js'
import { ask } from './ask.js'

/** A slot with an initialised token in it. */
export interface ChosenSlot {
  readonly slot: CryptokiHandle
  readonly token: TokenFacts
  readonly flags: number
}

/**
 * The one slot whose token matches every given field. Labels and serial numbers are compared without the blanks they
 * are padded with; slot numbers change (SoftHSM renumbers, nShield by the cards present), so they are best not used.
 * Where nothing is asked for there must be one token only.
 * @throws ERR_SETTINGS when several tokens match; ERR_HSM_UNAVAILABLE when none does (a token can
 * come back). Both name the tokens that are there.
 */
export function chooseSlot(cryptoki: Cryptoki, choice: TokenChoice, library: string): ChosenSlot {
  const present = presentTokens(cryptoki)
  const matching = present.filter((candidate) => matches(candidate, choice))
  const [only, second] = matching
  if (only && !second) return only
  const wanted = describeChoice(choice)
  const hints = [`tokens of ${library}: ${present.map(describeToken).join('; ') || 'none'}`]
  if (!only) {
    const what = wanted === '' ? 'there is no token' : `there is no token with ${wanted}`
    throw new DomainError('ERR_HSM_UNAVAILABLE', what, { hints })
  }
  const what = wanted === '' ? 'no token is chosen' : `several tokens have ${wanted}`
  throw new DomainError('ERR_SETTINGS', what, {
    hints: [...hints, 'choose the token by its serial number'],
    faults: [{ field: 'token', rule: 'must match exactly one token' }],
  })
}

/** A slot's number, as tools print it. */
export function slotNumber(slot: CryptokiHandle): number {
  return slot.readUInt32LE(0)
}

function presentTokens(cryptoki: Cryptoki): ChosenSlot[] {
  const slots = ask(cryptoki, 'C_GetSlotList', true)
  const tokens: ChosenSlot[] = []
  for (const slot of slots) {
    const info = ask(cryptoki, 'C_GetTokenInfo', slot)
    if ((info.flags & CKF.tokenInitialised) === 0) continue
    const token = {
      label: plain(info.label),
      serial: plain(info.serialNumber),
      manufacturer: plain(info.manufacturerID),
      model: plain(info.model),
    }
    tokens.push({ slot, token, flags: info.flags })
  }
  return tokens
}

/** Blank padded by the standard; some libraries pad with NUL. */
function plain(field: string): string {
  return field.replace(/[\s\0]+$/, '')
}

function matches({ slot, token }: ChosenSlot, choice: TokenChoice): boolean {
  if (choice.serial !== undefined && plain(choice.serial) !== token.serial) return false
  if (choice.label !== undefined && plain(choice.label) !== token.label) return false
  return choice.slot === undefined || choice.slot === slotNumber(slot)
}

function describeChoice({ serial, label, slot }: TokenChoice): string {
  const parts = [
    serial === undefined ? undefined : `serial number ${serial}`,
    label === undefined ? undefined : `label "${label}"`,
    slot === undefined ? undefined : `slot ${slot}`,
  ]
  return parts.filter((part) => part !== undefined).join(' and ')
}

function describeToken({ slot, token }: ChosenSlot): string {
  return `"${token.label}" (serial number ${token.serial}, slot ${slotNumber(slot)})`
}
