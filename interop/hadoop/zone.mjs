/** An encryption zone of a real NameNode and DataNode on our KMS, which is restarted and killed in between. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { folder, jarsOf, startJava } from './lib/java.mjs'
import { startOurKms } from './lib/our-kms.mjs'

const deadlineMs = 400_000

/** The line that says what held. @throws Error with what the driver said. */
export async function zone() {
  const kms = await startOurKms()
  const data = mkdtempSync(join(tmpdir(), 'hdfs-'))
  try {
    const out = await drive(kms, data)
    if (!out.trim().endsWith('zone ok')) throw new Error(out.slice(-4000))
    return 'zone: write read roll reencrypt trash refused restart kill ok'
  } finally {
    rmSync(data, { recursive: true, force: true })
    await kms.stop()
  }
}

function drive(kms, data) {
  const provider = kms.url.replace('http://', 'kms://http@')
  const driver = join(folder, 'java/ZoneDriver.java')
  // The mini cluster first: it holds classes of the server that the client's jars hold only in part.
  const jars = jarsOf('client').sort(
    (a, b) => Number(b.includes('minicluster')) - Number(a.includes('minicluster')),
  )
  const child = startJava(jars, [driver, provider, data], { stdio: ['pipe', 'pipe', 'pipe'] })
  const orders = { restart, kill }
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
    let [out, err] = ['', '']
    child.stderr.on('data', (chunk) => (err = (err + chunk).slice(-4000)))
    child.stdout.on('data', (chunk) => {
      out += chunk
      const asked = /PLEASE (\w+)\s*$/.exec(out)?.[1]
      if (!asked) return
      orders[asked](kms).then(() => child.stdin.write('\n'), reject)
    })
    child.on('error', reject)
    child.on('close', () => {
      clearTimeout(timer)
      resolve(out.includes('zone ok') ? out : `${out}\n${err}`)
    })
  })
}

async function restart({ stack }) {
  await stack.run('keytrustee-kms stop')
  await stack.run('keytrustee-kms start')
}

/** As a crash: nothing is told to anybody, then an operator starts it again. */
async function kill({ stack, home }) {
  const pid = Number(/\d+/.exec(readFileSync(join(home, 'run/keytrustee-kms.pid'), 'utf8'))?.[0])
  process.kill(pid, 'SIGKILL')
  await stack.run('keytrustee-kms start')
}
