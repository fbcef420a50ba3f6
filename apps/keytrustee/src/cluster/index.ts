/** The private cluster: a PostgreSQL of the distribution that belongs to one Trustee Server on its own machine. */
export { type BootstrapOptions, bootstrapCluster } from './bootstrap-cluster.js'
export {
  type ClusterAddresses,
  type ClusterStatus,
  clusterAddresses,
  clusterStatus,
} from './cluster-status.js'
export { clusterPort, databaseName, serviceRole } from './layout.js'
export { planUpgrade, type UpgradeOptions, type UpgradePlan } from './plan-upgrade.js'
export { type RunningCluster, type StartOptions, startCluster } from './start-cluster.js'
export { type StopOptions, stopCluster } from './stop-cluster.js'
export { type SuperviseOptions, type Supervision, superviseCluster } from './supervise-cluster.js'
export { upgradeCluster } from './upgrade-cluster.js'
