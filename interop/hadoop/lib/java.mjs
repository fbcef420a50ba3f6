/** Java, Maven and Hadoop's published jars. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Stop, say } from '../../../scripts/lib/say.mjs'

export const folder = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Makes the artifacts of `NAME/pom.xml` ready, for each of `names`; `offline`: out of what Maven fetched before.
 * @returns why Java programs cannot run over them here; undefined when they can
 */
export function findMissingJava(names, { offline }) {
  const { status, stdout } = spawnSync('java', ['--list-modules'], { encoding: 'utf8' })
  if (status !== 0) return 'java is not installed'
  // The programs are run from their sources.
  if (!/^jdk\.compiler\b/m.test(stdout)) return 'java is installed without its compiler'
  for (const name of names.filter((one) => !hasJars(one))) {
    if (spawnSync('mvn', ['-version']).status !== 0) return 'mvn is not installed'
    if (offline && !fetchJars(name, { offline })) return `${name}/pom.xml was never fetched`
  }
  return undefined
}

/** Class path of the artifacts in `NAME/pom.xml`, fetched once. */
export function jarsOf(name) {
  if (!hasJars(name) && !fetchJars(name, { offline: false }))
    throw new Stop('hadoop: Maven could not fetch the artifacts')
  return readdirSync(jarFolder(name)).map((file) => join(jarFolder(name), file))
}

function jarFolder(name) {
  return join(folder, name, 'jars')
}

function hasJars(name) {
  return existsSync(jarFolder(name))
}

/** All of them or none: the folder gets its name when it is complete. Offline, what Maven says of its failure is of no use to anybody. */
function fetchJars(name, { offline }) {
  say(`hadoop: the artifacts of ${name}/pom.xml, ${offline ? 'as fetched before' : 'with Maven'}`)
  const unfinished = `${jarFolder(name)}.new`
  rmSync(unfinished, { recursive: true, force: true })
  const args = ['-B', '-q', '-Dstyle.color=never', ...(offline ? ['-o'] : [])]
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${unfinished}`]
  const { status } = spawnSync('mvn', [...args, '-f', join(folder, name, 'pom.xml'), ...goal], {
    stdio: ['ignore', ...(offline ? ['ignore', 'ignore'] : [2, 2])],
  })
  if (status === 0) renameSync(unfinished, jarFolder(name))
  else rmSync(unfinished, { recursive: true, force: true })
  return status === 0
}

/** The client alone: without the mini cluster, whose classes would shadow it. */
export function clientPath() {
  return jarsOf('client').filter((path) => !path.includes('minicluster'))
}

/** A running Java process; `class` or a source file as the last of `args`. */
export function startJava(classPath, args, options = {}) {
  const opens = ['--add-opens', 'java.base/java.lang=ALL-UNNAMED', '-XX:+UseSerialGC']
  return spawn('java', [...opens, '-cp', classPath.join(':'), ...args], options)
}

/** Runs a source file to its end; its standard output. @throws Stop with what it said when it fails. */
export function runJava(classPath, args, { env, input = '', deadlineMs = 240_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = startJava(classPath, args, {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin.end(input)
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => (err += chunk))
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      if (code === 0) resolve(out)
      else reject(new Stop(`java ended with ${code}\n${out.slice(-2000)}\n${err.slice(-4000)}`))
    })
  })
}
