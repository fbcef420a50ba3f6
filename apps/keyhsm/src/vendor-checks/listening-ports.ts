/** Who listens on which TCP port of this machine, read from the kernel's tables. */
import { readdir, readFile, readlink } from 'node:fs/promises'

/** A listener; `program` is undefined where this process may not see whose it is. */
export interface Listener {
  readonly port: number
  readonly program: string | undefined
}

/** The listeners on `ports`. */
export async function findListeners(ports: readonly number[]): Promise<Listener[]> {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((file) =>
    readFile(file, 'utf8').catch(() => ''),
  )
  const rows = (await Promise.all(tables)).flatMap(parseTable)
  const wanted = rows.filter(({ port }) => ports.includes(port))
  if (wanted.length === 0) return []
  const programs = await findPrograms(new Set(wanted.map(({ inode }) => inode)))
  return wanted.map(({ port, inode }) => ({ port, program: programs.get(inode) }))
}

const listening = '0A'

/** Rows of /proc/net/tcp: local address in column 1 as hex `address:port`, state in 3, inode in 9. */
function parseTable(text: string): { port: number; inode: string }[] {
  return text.split('\n').flatMap((line) => {
    const columns = line.trim().split(/\s+/)
    const port = Number.parseInt(columns[1]?.split(':')[1] ?? '', 16)
    const inode = columns[9]
    return columns[3] === listening && inode !== undefined ? [{ port, inode }] : []
  })
}

async function findPrograms(inodes: ReadonlySet<string>): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  for (const process of processes) {
    const sockets = await socketsOf(process)
    const hit = sockets.filter((inode) => inodes.has(inode))
    if (hit.length === 0) continue
    const program = await readFile(`/proc/${process}/comm`, 'utf8').catch(() => '')
    for (const inode of hit) if (program !== '') found.set(inode, program.trim())
    if (found.size === inodes.size) break
  }
  return found
}

/** Inodes of a process's sockets; none of a process that is another user's. */
async function socketsOf(process: string): Promise<string[]> {
  const folder = `/proc/${process}/fd`
  const files = await readdir(folder).catch((): string[] => [])
  const links = files.map((file) => readlink(`${folder}/${file}`).catch(() => ''))
  return (await Promise.all(links)).flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? [])
}
