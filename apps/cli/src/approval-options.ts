/** Options of the commands that retrieve what trustees must approve. */
import { type Input, type Option, optionText } from '@keyhsm/command-line'
import { parseDuration, parseUuid } from '@keyhsm/core'

export const approvalOptions: readonly Option[] = [
  {
    flag: 'request',
    value: 'UUID',
    describe: 'request that trustees approved; default: an open one, or a new one',
    check: (text) => parseUuid(text, '--request'),
  },
  {
    flag: 'wait',
    value: 'TIME',
    describe: 'wait so long for trustees to approve, e.g. 10m',
    check: (text) => parseDuration(text, '--wait'),
  },
]

/** How long to wait for trustees, in ms; 0 where `--wait` is not given. */
export function waitOf(input: Input): number {
  const wait = optionText(input, 'wait')
  return wait === undefined ? 0 : parseDuration(wait, '--wait')
}
