/** What `status` and the metrics say of the copies of the database and the servers on them. */
import type { ReplyOf, statusRoute } from '@keyhsm/protocol'
import { type Meters, meterTable } from '@keyhsm/service'
import type { Store } from '../store/store.js'

type Status = ReplyOf<typeof statusRoute>

/** Empty with the private database. */
export function installationOf(store: Store): Pick<Status, 'installation'> {
  const seen = store.installation?.()
  if (!seen) return {}
  const { mode, detail, noLoss, timeline, own } = seen
  return {
    installation: {
      mode,
      detail,
      noLoss,
      ...(timeline === undefined ? {} : { timeline }),
      databases: [...seen.hosts],
      nodes: seen.nodes.map((row) => {
        const { ageMs, node, name, url, serverFingerprint, version, keyHsm } = row
        const known = { node, name, url, serverFingerprint, version, ...(keyHsm ? { keyHsm } : {}) }
        return { ...known, ageMs: Math.round(ageMs), self: node === own }
      }),
    },
  }
}

export const installationMeters = meterTable({
  databaseMode: {
    kind: 'gauge',
    name: 'database_mode',
    help: '1 for what this server can do with the database now, else 0: writer, reader (retrievals from a copy), none',
    labels: ['mode'],
  },
  databaseNoLoss: {
    kind: 'gauge',
    name: 'database_no_loss',
    help: '1 when every commit is on two machines before it is acknowledged, else 0',
  },
  databaseAge: {
    kind: 'gauge',
    name: 'database_age_seconds',
    help: 'How old what a copy of the database shows may be; absent while it cannot be told',
    labels: ['place'],
  },
  databaseTimeline: {
    kind: 'gauge',
    name: 'database_timeline',
    help: 'Highest timeline of the database seen',
  },
  nodeAge: {
    kind: 'gauge',
    name: 'node_beat_age_seconds',
    help: 'Time since a server of the installation wrote to the database',
    labels: ['node', 'url'],
  },
})

/** Nothing is shown with the private database. */
export function meterInstallation(
  meters: Meters<typeof installationMeters>,
  store: Pick<Store, 'installation'>,
): void {
  const seen = () => store.installation?.()
  meters.databaseMode.from(() => {
    const now = seen()
    const modes = now ? (['writer', 'reader', 'none'] as const) : []
    return modes.map((mode) => ({ labels: { mode }, value: Number(now?.mode === mode) }))
  })
  meters.databaseNoLoss.from(() => {
    const now = seen()
    return now && Number(now.noLoss)
  })
  meters.databaseTimeline.from(() => seen()?.timeline)
  meters.databaseAge.from(() =>
    (seen()?.hosts ?? []).flatMap(({ place, ageMs }) =>
      ageMs === undefined ? [] : [{ labels: { place }, value: ageMs / 1000 }],
    ),
  )
  meters.nodeAge.from(() =>
    (seen()?.nodes ?? []).map(({ node, url, ageMs }) => ({
      labels: { node, url },
      value: ageMs / 1000,
    })),
  )
}
