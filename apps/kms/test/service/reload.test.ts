/** A reload takes over everything or nothing, over real files and a fake port. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { makeSelfSigned, type TlsServing } from '@keyhsm/service'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AclFile, openAclFile } from '../../src/access/acl-file.js'
import { mayDo } from '../../src/access/acls.js'
import { initialiseFiles } from '../../src/identity/initialise-files.js'
import { type Paths, pathsIn } from '../../src/paths.js'
import { readLiveSettings } from '../../src/service/live-settings.js'
import { buildLiveState, type LiveState } from '../../src/service/live-state.js'
import { reloadLiveState, type ReloadOptions } from '../../src/service/reload.js'
import { makeTestKms, type TestKms, xml } from '../support/test-kms.js'

const mapping = 'hadoop.user.group.static.mapping.overrides'
const blacklist = 'hadoop.kms.blacklist.DECRYPT_EEK'

let home: string
let paths: Paths
let kms: TestKms
let aclFile: AclFile
let o: ReloadOptions
let state: LiveState
let shown: TlsServing[]
let warned: unknown[]
let renewal: () => Promise<() => boolean>
let renewals: number

const conf = (name: string) => join(paths.configuration, name)
const writeSite = (properties: Readonly<Record<string, string>>) =>
  writeFileSync(conf('kms-site.xml'), xml(properties))
const writeAcls = (blocked: string) =>
  writeFileSync(conf('kms-acls.xml'), xml({ [blacklist]: blocked }))
const set = (line: string) => appendFileSync(paths.settings, `${line}\n`)
const isBlocked = (user: string) => !mayDo(aclFile.current(), 'DECRYPT_EEK', { user, groups: [] })
async function reload() {
  const { next, reloaded } = await reloadLiveState(o, state)
  state = next
  return reloaded
}
async function writePair(): Promise<string> {
  const { certificate, privateKey } = await makeSelfSigned({
    commonName: 'another',
    subjectAltNames: ['localhost'],
    days: 1,
    usage: 'server',
  })
  writeFileSync(paths.tlsCertificate, certificate)
  writeFileSync(paths.tlsKey, privateKey)
  return certificate
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'kms-reload-'))
  paths = pathsIn(home)
  await initialiseFiles(paths, { names: [], port: '0' })
  writeSite({ [mapping]: 'alice=staff' })
  writeAcls('hdfs')
  kms = await makeTestKms()
  shown = []
  warned = []
  renewals = 0
  renewal = async () => () => {
    renewals += 1
    return true
  }
  const started = await readLiveSettings(paths)
  aclFile = await openAclFile(
    started.aclFile,
    () => undefined,
    () => undefined,
  )
  // What is changed below is not to be taken over by the watcher.
  aclFile.close()
  const { secrets, states, trail, clock } = kms
  const connection = { prepareRenewal: () => renewal() }
  o = {
    paths,
    clock,
    log: { warn: (_fields, words) => void warned.push(words) },
    opened: { secrets, states, trail, aclFile, connection },
    server: { reloadTls: (tls) => void shown.push(tls) },
    started,
  }
  state = await buildLiveState(o, o.opened, started)
})
afterEach(() => {
  kms.close()
  rmSync(home, { recursive: true })
})

/** A new version of everything; what the test breaks is broken after it. */
async function changeAll(): Promise<string> {
  writeSite({ [mapping]: 'alice=admins', 'hadoop.kms.proxyuser.hue.users': '*' })
  writeAcls('hive')
  set('keytrustee-kms.cache=0s')
  return writePair()
}

describe('a reload', () => {
  it('takes over groups, proxy users, rules, settings and certificates, and says so', async () => {
    const certificate = await changeAll()
    expect(await reload()).toEqual({
      applied: [
        'another TLS certificate',
        'another configuration (kms-site.xml)',
        'settings: keytrustee-kms.cache',
        'other rules (kms-acls.xml)',
        'another certificate for the Trustee Server',
      ],
      needsRestart: [],
    })
    expect(await state.groups.of('alice')).toEqual(['admins'])
    expect([isBlocked('hdfs'), isBlocked('hive')]).toEqual([false, true])
    expect(shown).toMatchObject([{ cert: certificate }])
    expect(renewals).toBe(1)
  })

  it('takes rules as they are when it ends: what was tightened while it asked the server stays', async () => {
    writeAcls('')
    renewal = () => {
      writeAcls('alice')
      return Promise.resolve(() => true)
    }
    await reload()
    expect(isBlocked('alice')).toBe(true)
  })

  it('says nothing where nothing has changed', async () => {
    renewal = async () => () => false
    const { seen } = state
    expect(await reload()).toEqual({ applied: [], needsRestart: [] })
    // An authentication that was used stays used.
    expect(state.seen).toBe(seen)
  })

  it('names what waits for a restart until there is one, and not what came back', async () => {
    renewal = async () => () => false
    writeFileSync(paths.settings, 'keytrustee-kms.port=1\n')
    expect(await reload()).toEqual({ applied: [], needsRestart: ['keytrustee-kms.port'] })
    expect(await reload()).toEqual({ applied: [], needsRestart: ['keytrustee-kms.port'] })
    writeSite({ [mapping]: 'alice=staff', 'hadoop.http.idle_timeout.ms': '5000' })
    expect(await reload()).toEqual({
      applied: [],
      needsRestart: ['keytrustee-kms.port', 'hadoop.http.*'],
    })
    writeSite({ [mapping]: 'alice=staff' })
    expect((await reload()).needsRestart).toEqual(['keytrustee-kms.port'])
  })

  it('reads the rules of another folder where the settings name one', async () => {
    mkdirSync(join(home, 'other'))
    writeFileSync(join(home, 'other/kms-acls.xml'), xml({ [blacklist]: 'hive' }))
    set('keytrustee-kms.conf=other')
    expect(await reload()).toMatchObject({ needsRestart: [] })
    expect([isBlocked('hdfs'), isBlocked('hive')]).toEqual([false, true])
  })
})

describe('a reload that is refused', () => {
  const refused = () => {
    throw new DomainError('ERR_SETTINGS', 'refused')
  }
  it.each<readonly [string, () => void, () => void]>([
    [
      'for a setting that is not known',
      () => set('keytrustee-kms.cahce=1s'),
      () => writeFileSync(paths.settings, 'keytrustee-kms.port=0\nkeytrustee-kms.cache=0s\n'),
    ],
    [
      'for groups that cannot be read',
      () => writeSite({ [mapping]: 'alice=a=b' }),
      () => writeSite({ [mapping]: 'alice=admins' }),
    ],
    [
      'for name rules',
      () => writeSite({ 'hadoop.kms.authentication.kerberos.name.rules': 'RULE:' }),
      () => writeSite({ [mapping]: 'alice=admins' }),
    ],
    [
      'for rules that cannot be read',
      () => writeFileSync(conf('kms-acls.xml'), '<configuration>'),
      () => writeAcls('hive'),
    ],
    ['for rules that are gone', () => rmSync(conf('kms-acls.xml')), () => writeAcls('hive')],
    [
      'for the certificate for the Trustee Server',
      () => (renewal = async () => refused()),
      () => (renewal = async () => () => false),
    ],
    [
      'for a pair that the port cannot use',
      () => Object.assign(o, { server: { reloadTls: refused } }),
      () => Object.assign(o, { server: { reloadTls: (tls: TlsServing) => void shown.push(tls) } }),
    ],
  ])('%s has changed nothing, and the next one takes over all', async (_why, spoil, cure) => {
    const certificate = await changeAll()
    spoil()
    const rules = aclFile.current()
    await expect(reload()).rejects.toBeInstanceOf(DomainError)
    expect(aclFile.current()).toBe(rules)
    expect(await state.groups.of('alice')).toEqual(['staff'])
    expect([shown, renewals, warned]).toEqual([[], 0, []])
    cure()
    expect((await reload()).applied).toContain('other rules (kms-acls.xml)')
    expect(await state.groups.of('alice')).toEqual(['admins'])
    expect(shown).toMatchObject([{ cert: certificate }])
    expect(isBlocked('hive')).toBe(true)
  })
})
