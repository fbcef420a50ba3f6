import { readFile } from 'node:fs/promises'

/** `default_realm` of krb5.conf; empty when it says none. @see krb5.conf(5) */
export async function readDefaultRealm(
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const path = env['KRB5_CONFIG']?.split(':')[0] || '/etc/krb5.conf'
  const text = await readFile(path, 'utf8').catch(() => '')
  return /^\s*default_realm\s*=\s*(\S+)/m.exec(text)?.[1] ?? ''
}
