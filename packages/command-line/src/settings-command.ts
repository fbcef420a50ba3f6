/** `settings` of the programs whose settings file has no old form to keep. */
import { printTable } from './output.js'
import type { Command, Input } from './records.js'

interface ShownSetting {
  readonly name: string
  /** Undefined when it is absent and has no default. */
  readonly text: string | undefined
  readonly isDefault: boolean
}

/**
 * The command of one program. `list` checks the file before it lists, so that what is printed is what a start would obey.
 */
export function settingsCommand(
  fileName: string,
  list: (input: Input) => Promise<readonly ShownSetting[]>,
): Command {
  return {
    name: 'settings',
    summary: 'check the settings file and print what holds',
    run: list,
    print(settings: readonly ShownSetting[], io) {
      const rows = settings.map(({ name, text, isDefault }) => ({
        setting: name,
        value: text === '' ? undefined : text,
        from: isDefault ? 'default' : fileName,
      }))
      printTable(rows, ['setting', 'value', 'from'], io)
    },
  }
}
