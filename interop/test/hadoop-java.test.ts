/** Where Java, Maven or Hadoop's artifacts are missing, the reason is said, and nothing is left half fetched. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

const { findMissingJava, folder } = (await import(
  new URL('../hadoop/lib/java.mjs', import.meta.url).href
)) as {
  readonly folder: string
  findMissingJava(names: readonly string[], how: { readonly offline: boolean }): string | undefined
}

let home: string
/** A folder with a pom.xml, as the function names it. */
let name: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'java-'))
  name = relative(folder, home)
  vi.stubEnv('PATH', join(home, 'bin'))
  mkdirSync(join(home, 'bin'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(home, { recursive: true })
})

function install(tool: string, ...lines: readonly string[]): void {
  const path = join(home, 'bin', tool)
  writeFileSync(path, ['#!/bin/sh', ...lines, ''].join('\n'))
  chmodSync(path, 0o755)
}
const jdk = () => install('java', 'echo java.base@17', 'echo jdk.compiler@17')
/** Puts a file where it is told to, and ends with `status`; says which arguments it was given. */
const maven = (status: number) =>
  install(
    'mvn',
    `test "$1" = -version && exit 0`,
    `echo "$*" > ${join(home, 'asked')}`,
    'for one; do case $one in -DoutputDirectory=*) /bin/mkdir -p "${one#*=}" && echo > "${one#*=}/a.jar";; esac; done',
    `exit ${status}`,
  )
const find = () => findMissingJava([name], { offline: true })

it('names the tool that is missing', () => {
  expect(find()).toBe('java is not installed')
  install('java', 'echo java.base@17')
  expect(find()).toBe('java is installed without its compiler')
  jdk()
  expect(find()).toBe('mvn is not installed')
})

it('takes what was fetched before without Maven', () => {
  jdk()
  mkdirSync(join(home, 'jars'))
  expect(find()).toBeUndefined()
})

it('offline says that the artifacts were never fetched, and leaves no half of them', () => {
  jdk()
  maven(1)
  expect(find()).toBe(`${name}/pom.xml was never fetched`)
  expect([existsSync(join(home, 'asked')), existsSync(join(home, 'jars'))]).toEqual([true, false])
  maven(0)
  expect(find()).toBeUndefined()
  expect(existsSync(join(home, 'jars/a.jar'))).toBe(true)
  expect(existsSync(join(home, 'jars.new'))).toBe(false)
})
