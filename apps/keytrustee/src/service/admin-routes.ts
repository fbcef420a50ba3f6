/** The routes of the control socket, tied to what they do. */
import type { X509Certificate } from 'node:crypto'
import type { Handle, Uuid } from '@keyhsm/core'
import {
  joinRoute,
  listAllDepositsRoute,
  listHsmKeyUsesRoute,
  listRevocationsRoute,
  localReloadRoute,
  planJoinRoute,
  pruneConfirmRoute,
  pruneReportRoute,
  purgeAnyDepositRoute,
  type ReplyOf,
  revokeHsmKeyRoute,
  statusRoute,
  undeleteAnyDepositRoute,
} from '@keyhsm/protocol'
import {
  bindLogLevel,
  bindReload,
  type BoundRoute,
  bindRoute,
  type OpenLog,
  type Reloaded,
} from '@keyhsm/service'
import { findAny } from '../deposits/find-any.js'
import { believedPage, defaultPageSize } from '../deposits/list-deposits.js'
import { purgeDeposit } from '../deposits/purge-deposit.js'
import { undeleteDeposit } from '../deposits/undelete-deposit.js'
import { listHsmKeys } from '../hsm-keys/list-hsm-keys.js'
import { pruneReported, reportOrphans } from '../hsm-keys/prune-hsm-keys.js'
import { revokeHsmKey } from '../hsm-keys/revoke-hsm-key.js'
import { readOrganisation } from '../organisations/change-organisation.js'
import { type JoinDesk, type JoinResult, joinKeyHsm, planJoin } from '../sealing/join-key-hsm.js'
import type { KeyHsmLink } from '../sealing/key-hsm-link.js'
import { notJoined } from '../sealing/sealing-state.js'
import type { Revocation } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import type { ClientAuthorities } from './client-authorities.js'
import { backupRoutes } from './backup-routes.js'
import { orderOf } from './identify.js'
import { enrolledRoutes, organisationRoutes } from './organisation-routes.js'
import { migrationRoutes, toMigrationReply } from './migration-routes.js'
import { nodeRoutes } from './node-routes.js'
import { policyRoutes } from './policy-routes.js'
import { toPurgeReply } from './purge-reply.js'

export interface AdminRoutesOptions {
  readonly trustee: Trustee
  readonly join: JoinDesk
  readonly pruneReports: string
  /** File of the last report of a backup of the HSM. */
  readonly hsmBackup: string
  /** Whether the pair shown to Key HSM is the one clients see: works, but one key then has two uses. */
  sharesServerCertificate(clientCertificate: string): boolean
  status(): Promise<ReplyOf<typeof statusRoute>>
  /** The certificate now in use. */
  certificate(): X509Certificate
  readonly authorities: ClientAuthorities
  readonly log: OpenLog
  readonly requestReload: () => Promise<Reloaded>
}

export function adminRoutes(o: AdminRoutesOptions): readonly BoundRoute[] {
  return [
    ...organisationRoutes(o.trustee),
    ...enrolledRoutes(o.trustee),
    ...depositRoutes(o),
    ...sealingRoutes(o),
    ...hsmKeyRoutes(o),
    ...policyRoutes(o.trustee),
    ...backupRoutes({ ...o, link: () => requireLink(o.join) }),
    ...migrationRoutes(o.join.migration),
    ...nodeRoutes({ ...o, paths: o.join.paths }),
    bindRoute(statusRoute, () => o.status()),
    bindLogLevel(o.log),
    bindReload(o.requestReload, localReloadRoute),
  ]
}

function depositRoutes({ trustee }: AdminRoutesOptions): BoundRoute[] {
  const { store } = trustee
  return [
    bindRoute(undeleteAnyDepositRoute, async ({ params, ...by }) => {
      const { uuid } = await findAny(store, params.ref)
      return undeleteDeposit(trustee, orderOf(by), uuid)
    }),
    bindRoute(purgeAnyDepositRoute, async ({ params, body, ...by }) => {
      const { uuid } = await findAny(store, params.ref)
      const order = { ...orderOf(by), leaveKeys: body.leaveKeys === true }
      return toPurgeReply(await purgeDeposit(trustee, order, uuid))
    }),
    bindRoute(listRevocationsRoute, async ({ query }) => {
      const { limit = defaultPageSize, after } = query
      const revocations = await store.listRevocations(limit, after as Uuid | undefined)
      const next = revocations.length < limit ? undefined : revocations.at(-1)?.deposit
      const shown = revocations.map(toRevocationReply)
      return { revocations: shown, ...(next === undefined ? {} : { next }) }
    }),
    bindRoute(listAllDepositsRoute, async ({ query, ...by }) => {
      const { organisation, owner, after, limit = defaultPageSize } = query
      const page = await store.listDeposits({
        ...(await filterOf(trustee, organisation)),
        ...(owner === undefined ? {} : { owner: owner as Uuid }),
        ...(after === undefined ? {} : { after: after as Handle }),
        limit,
      })
      const { deposits, next } = await believedPage(trustee, page, orderOf(by))
      return { deposits: [...deposits], ...(next === undefined ? {} : { next }) }
    }),
  ]
}

function sealingRoutes(o: AdminRoutesOptions): BoundRoute[] {
  return [
    bindRoute(planJoinRoute, async ({ body, ...by }) => {
      const plan = await planJoin(o.join, { ...orderOf(by), ...body })
      return plan === undefined ? {} : { plan }
    }),
    bindRoute(joinRoute, async ({ body, ...by }) => {
      const result = await joinKeyHsm(o.join, { ...orderOf(by), ...body })
      const { migration: desk } = o.join
      const begun = result.migration && (await toMigrationReply(desk, result.migration))
      return {
        ...toJoinReply(result, o.sharesServerCertificate(result.joined.clientCertificate)),
        ...(begun === undefined ? {} : { migration: begun }),
      }
    }),
  ]
}

function hsmKeyRoutes({
  trustee,
  join,
  pruneReports: directory,
}: AdminRoutesOptions): BoundRoute[] {
  const link = () => requireLink(join)
  return [
    bindRoute(listHsmKeyUsesRoute, async ({ query }) => listHsmKeys(trustee, link(), query)),
    bindRoute(revokeHsmKeyRoute, async ({ body, ...by }) =>
      revokeHsmKey(trustee, link(), { ...orderOf(by), key: body.key }),
    ),
    bindRoute(pruneReportRoute, async (by) =>
      reportOrphans(trustee, link(), { ...orderOf(by), directory }),
    ),
    bindRoute(pruneConfirmRoute, async ({ body, ...by }) =>
      pruneReported(trustee, link(), { ...orderOf(by), report: body.report }),
    ),
  ]
}

function requireLink(join: JoinDesk): KeyHsmLink {
  const current = join.current()
  if (!current) throw notJoined()
  return current
}

async function filterOf(
  trustee: Trustee,
  name: string | undefined,
): Promise<{ readonly organisation?: Uuid }> {
  if (name === undefined) return {}
  return { organisation: (await readOrganisation(trustee, name)).uuid }
}

function toRevocationReply(
  row: Revocation,
): ReplyOf<typeof listRevocationsRoute>['revocations'][number] {
  const { orderedAt, doneAt, hsmKeyIds, ...rest } = row
  return {
    ...rest,
    hsmKeyIds: [...hsmKeyIds],
    orderedAt: orderedAt.toISOString(),
    ...(doneAt === undefined ? {} : { doneAt: doneAt.toISOString() }),
  }
}

function toJoinReply(
  { joined, partition }: JoinResult,
  sharesServerCertificate: boolean,
): ReplyOf<typeof joinRoute> {
  const { url, realm, canary, domain, joinedAt } = joined
  const { device, profile, scope, kind, hardware, durableKeys } = partition
  return {
    url,
    realm,
    canary,
    domain,
    device,
    profile,
    scope,
    kind,
    hardware,
    durableKeys,
    joinedAt: joinedAt.toISOString(),
    sharesServerCertificate,
  }
}
