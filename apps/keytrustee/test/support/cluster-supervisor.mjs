// Watches a cluster as the Trustee Server does, and prints what happens: node cluster-supervisor.mjs DIRECTORY
const { superviseCluster } = await import(
  new URL('../../dist/cluster/index.js', import.meta.url).href
)

const intervalMs = 50
superviseCluster({
  directory: process.argv[2],
  intervalMs,
  onRestarted: (pid) => console.log(`restarted ${pid}`),
  onFailure: (error) => console.log(`failed ${error.code}`),
})
console.log('watching')
// Keeps the process alive (the supervisor alone does not), and paces the test without sleeping in it.
setInterval(() => console.log('looked'), intervalMs)
