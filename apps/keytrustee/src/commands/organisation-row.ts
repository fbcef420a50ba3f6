import type { listOrganisationsRoute, ReplyOf } from '@keyhsm/protocol'
import { fingerprintOfRecipient } from '@keyhsm/client'

export type ShownOrganisation = ReplyOf<typeof listOrganisationsRoute>['organisations'][number]

const ways = { secret: 'by auth secret', open: 'OPEN TO ANYBODY', approval: 'by approval' } as const

/** An organisation as people read it; the recovery recipient, 2 KB long, by the start of its fingerprint. */
export function toOrganisationRow(shown: ShownOrganisation): Record<string, string> {
  const { name, state, recovery, createdAt, uuid } = shown
  return {
    name,
    state,
    enrolment: toEnrolment(shown),
    recovery: recovery === undefined ? 'none' : fingerprintOfRecipient(recovery).slice(0, 16),
    created: createdAt,
    uuid,
  }
}

function toEnrolment({ enrolment, authExpiresAt, authUsesLeft }: ShownOrganisation): string {
  const ended =
    authUsesLeft === 0 || (authExpiresAt !== undefined && new Date(authExpiresAt) <= new Date())
  if (ended) return 'by approval (auth ended)'
  const until = authExpiresAt === undefined ? [] : [`until ${authExpiresAt}`]
  const left = authUsesLeft === undefined ? [] : [`${authUsesLeft} left`]
  return [ways[enrolment], ...until, ...left].join(', ')
}
