/** Every file a KMS needs besides its identity. What exists is kept, so that it can be run again. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ed25519AuditSigner, makeAuditKey, writeFileAtomically } from '@keyhsm/service'
import type { Paths } from '../paths.js'
import { makeServerPair } from './server-pair.js'

export interface FilesOrder {
  /** Names and addresses for the certificate; the host's own name and loopback are always there. */
  readonly names: readonly string[]
  readonly port: string | undefined
}

/** @returns what was missing and made, relative to the KMS's folder. */
export async function initialiseFiles(paths: Paths, o: FilesOrder): Promise<readonly string[]> {
  const made: string[] = []
  for (const folder of ['tls', 'conf', 'run', 'log', 'audit'])
    await mkdir(join(paths.root, folder), { recursive: true, mode: 0o700 })
  const make = async (path: string, content: () => string, mode = 0o600) => {
    if (await exists(path)) return
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFileAtomically(path, content(), mode)
    made.push(path.slice(paths.root.length + 1))
  }
  await make(paths.settings, () => initialSettings(o), 0o640)
  if (!(await exists(paths.tlsCertificate))) {
    const pair = await makeServerPair(o.names)
    // The key first: a certificate without its key is never left behind.
    await writeFileAtomically(paths.tlsKey, pair.privateKey, 0o600)
    await make(paths.tlsCertificate, () => pair.certificate, 0o644)
  }
  if (!(await exists(paths.auditKey))) {
    const auditKey = makeAuditKey()
    await writeFileAtomically(paths.auditPublicKey, ed25519AuditSigner(auditKey).publicKey, 0o644)
    await make(paths.auditKey, () => auditKey)
  }
  await make(join(paths.configuration, 'kms-site.xml'), () => siteTemplate, 0o640)
  await make(join(paths.configuration, 'kms-acls.xml'), () => aclsTemplate, 0o640)
  return made
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

function initialSettings({ port }: FilesOrder): string {
  const lines = [
    '# Settings of keytrustee-kms; `keytrustee-kms settings` lists all of them with their defaults.',
    '# What Hadoop has names for stands in conf/kms-site.xml and conf/kms-acls.xml.',
    ...(port === undefined ? [] : [`keytrustee-kms.port=${port}`]),
  ]
  return `${lines.join('\n')}\n`
}

const siteTemplate = `<?xml version="1.0"?>
<configuration>
  <!-- An existing kms-site.xml can be put here as it is: what has no effect is listed at start and by \`status\`. -->
  <property>
    <name>hadoop.kms.authentication.type</name>
    <value>simple</value>
    <description>simple or kerberos; simple believes every name and is for tests and closed networks</description>
  </property>
</configuration>
`

/** As shipped by Hadoop everything is open; here the HDFS superuser may at least not read what it stores. */
const aclsTemplate = `<?xml version="1.0"?>
<configuration>
  <!-- An existing kms-acls.xml can be put here as it is; it is read again within a second of a change. -->
  <property><name>hadoop.kms.acl.CREATE</name><value>*</value></property>
  <property><name>hadoop.kms.acl.DELETE</name><value>*</value></property>
  <property><name>hadoop.kms.acl.ROLLOVER</name><value>*</value></property>
  <property><name>hadoop.kms.acl.GET</name><value>*</value></property>
  <property><name>hadoop.kms.acl.GET_KEYS</name><value>*</value></property>
  <property><name>hadoop.kms.acl.GET_METADATA</name><value>*</value></property>
  <property><name>hadoop.kms.acl.SET_KEY_MATERIAL</name><value>*</value></property>
  <property><name>hadoop.kms.acl.GENERATE_EEK</name><value>*</value></property>
  <property><name>hadoop.kms.acl.DECRYPT_EEK</name><value>*</value></property>
  <property><name>hadoop.kms.blacklist.DECRYPT_EEK</name><value>hdfs</value></property>
  <property><name>default.key.acl.MANAGEMENT</name><value>*</value></property>
  <property><name>default.key.acl.GENERATE_EEK</name><value>*</value></property>
  <property><name>default.key.acl.DECRYPT_EEK</name><value>*</value></property>
  <property><name>default.key.acl.READ</name><value>*</value></property>
</configuration>
`
