/** `keytrustee-kms import`: zone keys of another KMS or of a Java keystore, with every version. */
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  optionText,
  printLine,
  printTable,
} from '@keyhsm/command-line'
import { invalidInput } from '@keyhsm/core'
import { openHadoopKeystore } from '../keystore/hadoop-keys.js'
import { importKeys, type ImportReport } from '../migration/import-keys.js'
import { kmsSource } from '../migration/kms-source.js'
import { parseKmsUri } from '../migration/kms-uri.js'
import { getNegotiatedCookie } from '../migration/negotiated-cookie.js'
import { OldKms } from '../migration/old-kms.js'
import type { KeySource } from '../migration/source-key.js'
import { withMoves } from '../service/with-moves.js'
import { operatorName, pathsOf } from './folder.js'
import { chosenKeys, keystorePassword, keysOption, passwordOption } from './keystore-options.js'
import { progressTo } from './progress.js'

const maxKeystoreBytes = 256 * 1024 * 1024
const fromKms = (text: string) => parseKmsUri(text, '--from-kms')

export const importCommand: Command = {
  name: 'import',
  summary: 'bring zone keys in from a running KMS or a Java keystore; can be repeated and resumed',
  options: [
    {
      flag: 'from-kms',
      value: 'URI',
      describe: 'a running KMS, e.g. kms://https@h1;h2:9600/kms; its user needs the ACL GET there',
      check: fromKms,
    },
    { flag: 'user', value: 'U', describe: 'user of a KMS with simple authentication' },
    { flag: 'negotiate', describe: 'Kerberos, with the ticket that kinit got for this user' },
    {
      flag: 'keytab',
      value: 'F',
      file: true,
      secret: true,
      describe: 'Kerberos, with a ticket got with this keytab and --principal',
    },
    { flag: 'principal', value: 'P', describe: 'principal of the keytab', check: checkPrincipal },
    { flag: 'cacert', value: 'F', file: true, describe: 'CA of the KMS’s certificate, PEM' },
    {
      flag: 'jceks',
      value: 'F',
      file: true,
      maxBytes: maxKeystoreBytes,
      describe: 'keystore of Hadoop’s Java keystore provider',
    },
    passwordOption,
    keysOption,
    { flag: 'dry-run', describe: 'read and compare everything, change nothing' },
  ],
  run: runImport,
  print: printReport,
  exitCode: ({ failed }: ImportReport) => (failed === 0 ? 0 : 1),
}

function checkPrincipal(text: string): void {
  if (!/^[\w./-]+(@[\w.-]+)?$/.test(text) || text.startsWith('-'))
    throw invalidInput('--principal', 'must be a principal such as kms-import@EXAMPLE.COM')
}

async function runImport(input: Input, io: Io): Promise<ImportReport> {
  const source = openSource(input)
  const dryRun = optionGiven(input, 'dry-run')
  const by = operatorName()
  const say = progressTo(io)
  try {
    return await withMoves(pathsOf(input), by, ({ store, trail, caller }) =>
      importKeys(store, source, {
        by,
        dryRun,
        trail,
        caller,
        names: chosenKeys(input),
        onProgress: (done, total) => say(`${done} of ${total} keys`),
      }),
    )
  } finally {
    await source.close()
  }
}

function openSource(input: Input): KeySource {
  const uri = optionText(input, 'from-kms')
  const keystore = input.files['jceks']
  if ((uri === undefined) === (keystore === undefined))
    throw invalidInput('--from-kms, --jceks', 'must be given, one of the two')
  if (keystore) return openHadoopKeystore(keystore, keystorePassword(input))
  return kmsSource(openKms(input, fromKms(uri ?? '')))
}

/** @throws ERR_INVALID_INPUT unless one way of authentication is given whole. */
function openKms(input: Input, bases: readonly string[]): OldKms {
  const user = optionText(input, 'user')
  const principal = optionText(input, 'principal')
  const { keytab, cacert: ca } = input.files
  if ((keytab === undefined) !== (principal === undefined))
    throw invalidInput('--keytab, --principal', 'must be given together')
  const ways = [user !== undefined, keytab !== undefined, optionGiven(input, 'negotiate')]
  if (ways.filter(Boolean).length !== 1)
    throw invalidInput('--user, --keytab, --negotiate', 'must be given, one of the three')
  if (user !== undefined) return new OldKms({ bases, ca, user })
  const cookieFor = (url: string) => getNegotiatedCookie(url, { keytab, principal, ca })
  return new OldKms({ bases, ca, cookieFor })
}

function printReport({ keys, dryRun, ...counts }: ImportReport, io: Io): void {
  printTable(
    keys as readonly (ImportReport['keys'][number] & Record<string, unknown>)[],
    ['name', 'versions', 'state', ...(counts.failed > 0 ? ['reason'] : [])],
    io,
  )
  const { imported, extended, present, failed, versions } = counts
  const words = `${imported} imported, ${extended} extended, ${present} present, ${failed} failed; ${versions} versions`
  printLine(dryRun ? `dry run, nothing was changed: ${words}` : words, io)
  if (failed > 0)
    io.hint('cure the reasons and run the same command again: what is done is not done twice')
}
