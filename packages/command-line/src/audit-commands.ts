/** `audit verify|export|archive`, the same in every program with an audit. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { DomainError, invalidInput, parseDuration } from '@keyhsm/core'
import { type PrintedAudit, printAuditReport } from './audit-report.js'
import { optionText } from './input.js'
import type { Command, Input, Io, Option } from './records.js'

type Form = 'json' | 'syslog'

/** What a program has to say of its audit, and who does the work. */
export interface AuditTools<Head> {
  /** Options of all three commands, for a program with several audits. */
  readonly options?: readonly Option[]
  /** Folder of the audit. */
  directory(input: Input): string
  /** File with the key of this home, for who gave none; absent: signatures are not checked then. */
  readonly ownPublicKey?: (input: Input) => string
  /** Whose audit may bear witness, e.g. `Key HSM`; absent: nobody records this audit. */
  readonly witness?: string
  findSeenHeads(directory: string, witness: string): Promise<readonly Head[]>
  verify(
    o: {
      readonly directory: string
      readonly archive?: string
      readonly publicKey?: string
      readonly expectAtLeast: readonly Head[]
    },
    input: Input,
  ): Promise<PrintedAudit>
  export(o: {
    readonly directory: string
    readonly archive?: string
    readonly since: Date
    readonly until?: Date
    readonly form: Form
  }): AsyncIterable<string>
  archive(o: { readonly directory: string; readonly to: string; readonly keep: number }): Promise<{
    readonly moved: readonly string[]
    readonly bytes: number
    readonly kept: number
    readonly directory: string
  }>
}

const archiveOption: Option = {
  flag: 'archive',
  value: 'DIR',
  describe: 'folder of archived files, where it is not the one that audit archive noted',
}
const maxKeyBytes = 64 * 1024

/** The three commands of one program. */
export function auditCommands<Head>(tools: AuditTools<Head>): readonly Command[] {
  return [verifyCommand(tools), exportCommand(tools), archiveCommand(tools)]
}

function verifyCommand<Head>(tools: AuditTools<Head>): Command {
  const { witness } = tools
  return {
    name: 'audit verify',
    summary: 'check the audit, archived files included, for changed, missing or reordered entries',
    options: [
      {
        flag: 'public-key',
        value: 'F',
        file: true,
        maxBytes: maxKeyBytes,
        describe: 'public key of the checkpoints, PEM: the auditor’s own copy, kept elsewhere',
      },
      ...(witness === undefined
        ? []
        : [
            {
              flag: 'seen-by',
              value: 'DIR',
              describe: `audit folder of ${witness}, or a copy: what it recorded of this audit must be in it`,
            },
          ]),
      archiveOption,
      ...(tools.options ?? []),
    ],
    async run(input, io) {
      const directory = tools.directory(input)
      const publicKey = await findPublicKey(tools, input, io)
      const seenBy = optionText(input, 'seen-by')
      const expectAtLeast = seenBy === undefined ? [] : await tools.findSeenHeads(directory, seenBy)
      return await tools.verify(
        {
          directory,
          expectAtLeast,
          ...archiveIn(input),
          ...(publicKey === undefined ? {} : { publicKey }),
        },
        input,
      )
    },
    print: printAuditReport,
    exitCode: (report: PrintedAudit) => (report.ok ? 0 : 1),
  }
}

async function findPublicKey<Head>(
  { ownPublicKey }: AuditTools<Head>,
  input: Input,
  io: Io,
): Promise<string | undefined> {
  const given = input.files['public-key']?.toString('utf8')
  if (given !== undefined || !ownPublicKey) return given
  const file = ownPublicKey(input)
  const key = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new DomainError('ERR_SETTINGS', `${file} cannot be read`, {
      cause,
      hints: ['give the auditor’s own copy with --public-key F'],
    })
  })
  io.words('warning: checked against audit.pub of this home; an auditor keeps a copy elsewhere')
  return key
}

function exportCommand<Head>(tools: AuditTools<Head>): Command {
  return {
    name: 'audit export',
    summary: 'print entries of the audit, archived files included, one line each',
    options: [
      {
        flag: 'since',
        value: 'TIME',
        required: true,
        describe:
          'an instant (2026-01-31T12:00:00Z, 2026-01-31) or a time back from now (24h, 30d)',
        check: (text) => parseSince(text, '--since'),
      },
      {
        flag: 'until',
        value: 'TIME',
        describe: 'entries before this, in the same form',
        check: (text) => parseSince(text, '--until'),
      },
      {
        flag: 'format',
        value: 'FORM',
        describe:
          'json: the lines of the audit as they stand; syslog: lines of RFC 5424 (default: json)',
        check: parseForm,
      },
      archiveOption,
      ...(tools.options ?? []),
    ],
    async run(input, io) {
      const until = optionText(input, 'until')
      const lines = tools.export({
        directory: tools.directory(input),
        since: parseSince(optionText(input, 'since') ?? '', '--since'),
        form: parseForm(optionText(input, 'format') ?? 'json'),
        ...(until === undefined ? {} : { until: parseSince(until, '--until') }),
        ...archiveIn(input),
      })
      await writeLines(lines, io)
    },
  }
}

function archiveCommand<Head>(tools: AuditTools<Head>): Command {
  return {
    name: 'audit archive',
    summary: 'move closed files of the audit to another disk; verify and export find them there',
    options: [
      {
        flag: 'to',
        value: 'DIR',
        required: true,
        describe: 'folder for this audit alone, absolute path',
      },
      {
        flag: 'keep',
        value: 'N',
        describe: 'closed files that stay (default and least: 1)',
        check: parseKeep,
      },
      ...(tools.options ?? []),
    ],
    async run(input) {
      const directory = tools.directory(input)
      // What is faulty must be looked at where it happened.
      const before = await tools.verify({ directory, expectAtLeast: [] }, input)
      if (!before.ok)
        throw new DomainError('ERR_INTEGRITY', 'the audit has faults and stays where it is', {
          hints: ['see them with: audit verify'],
        })
      const to = optionText(input, 'to') ?? ''
      return tools.archive({ directory, to, keep: parseKeep(optionText(input, 'keep') ?? '1') })
    },
    print: (
      { moved, bytes, kept, directory }: Awaited<ReturnType<AuditTools<Head>['archive']>>,
      io,
    ) =>
      io.words(
        `${moved.length} files (${bytes} bytes) moved to ${directory}; ${kept} closed files stay`,
      ),
  }
}

function archiveIn(input: Input): { readonly archive?: string } {
  const archive = optionText(input, 'archive')
  return archive === undefined ? {} : { archive }
}

/** ISO 8601 in UTC unless it says otherwise, or a time back from now. @throws ERR_INVALID_INPUT */
function parseSince(text: string, field: string): Date {
  if (!/^\d{4}-\d\d-\d\d/.test(text)) return new Date(Date.now() - parseDuration(text, field))
  const time = Date.parse(text)
  if (Number.isNaN(time))
    throw invalidInput(field, 'must be an instant such as 2026-01-31T12:00:00Z')
  return new Date(time)
}

function parseForm(text: string): Form {
  if (text === 'json' || text === 'syslog') return text
  throw invalidInput('--format', 'must be json or syslog')
}

function parseKeep(text: string): number {
  const keep = Number(text)
  if (!/^\d{1,6}$/.test(text) || keep < 1)
    throw invalidInput('--keep', 'must be a number from 1 on')
  return keep
}

/** In constant memory; a reader that went away (`| head`) ends it. */
async function writeLines(lines: AsyncIterable<string>, { stdout }: Io): Promise<void> {
  try {
    for await (const line of lines) if (!stdout.write(`${line}\n`)) await once(stdout, 'drain')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  }
}
