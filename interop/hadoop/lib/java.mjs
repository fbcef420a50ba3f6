/** Java, Maven and Hadoop's published jars. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Stop, say } from '../../../scripts/lib/say.mjs'

export const folder = dirname(dirname(fileURLToPath(import.meta.url)))

/** Why Java programs cannot run here; undefined when they can. */
export function findMissingTool() {
  for (const [tool, flag] of [
    ['java', '-version'],
    ['mvn', '-version'],
  ])
    if (spawnSync(tool, [flag]).status !== 0) return `${tool} is not installed`
  return undefined
}

/** Class path of the artifacts in `name`/pom.xml, fetched once. */
export function jarsOf(name) {
  const jars = join(folder, name, 'jars')
  if (!existsSync(jars) || readdirSync(jars).length === 0) {
    say(`hadoop: fetching the artifacts of ${name}/pom.xml with Maven`)
    const args = ['-B', '-q', '-f', join(folder, name, 'pom.xml')]
    const target = `-DoutputDirectory=${jars}`
    const result = spawnSync('mvn', [...args, 'dependency:copy-dependencies', target], {
      stdio: ['ignore', 2, 2],
    })
    if (result.status !== 0) throw new Stop('hadoop: Maven could not fetch the artifacts')
  }
  return readdirSync(jars).map((file) => join(jars, file))
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
