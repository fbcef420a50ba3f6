/** The settings file without one of its backends. Nothing in an HSM is touched. */
import { basename } from 'node:path'
import type { SecretBytes } from '@keyhsm/core'
import { editSettings, isSealed, openSetting, readSettingLines, sealSetting } from '@keyhsm/service'
import { placeName, placeOf, viewOf } from '../backend-names.js'
import { backendSchemaFor, readHardware } from '../settings-schema.js'
import type { Paths } from '../paths.js'
import { commonSchema } from '../settings.js'

type Lines = Record<string, string | undefined>

/** Without the further backend `name`. */
export function withoutBackend(text: string, { settings }: Paths, name: string): string {
  return editSettings(text, withoutPlace(text, basename(settings), name))
}

/**
 * Without the first backend: the further one `heir`, which must be the default one, becomes the first, its settings without
 * a prefix and its password bound to its new name.
 */
export function withoutFirst(
  text: string,
  { settings }: Paths,
  { heir, key }: { readonly heir: string; readonly key: SecretBytes },
): string {
  const file = basename(settings)
  const specs = Object.values(backendSchemaFor(readHardware(text, file)))
  const isOld = (line: string) =>
    specs.some(({ name, formerly, family }) =>
      family ? line.startsWith(name) : [name, formerly].includes(line),
    )
  const first = readSettingLines(viewOf(text, undefined), file)
  const gone: Lines = Object.fromEntries(
    first.flatMap(({ name }) => (isOld(name) ? [[name, undefined]] : [])),
  )
  const risen: Lines = Object.fromEntries(
    readSettingLines(viewOf(text, heir), file).map(({ name, text: value }) => [
      name,
      isSealed(value) ? sealAnew(key, value, { from: placeName(name, heir), to: name }) : value,
    ]),
  )
  return editSettings(text, {
    ...gone,
    ...withoutPlace(text, file, heir),
    ...risen,
    [commonSchema.backendName.name]: heir,
    [commonSchema.defaultBackend.name]: undefined,
  })
}

function withoutPlace(text: string, file: string, place: string): Lines {
  const own = readSettingLines(text, file).filter(({ name }) => placeOf(name) === place)
  return Object.fromEntries(own.map(({ name }) => [name, undefined]))
}

function sealAnew(
  key: SecretBytes,
  value: string,
  { from, to }: { readonly from: string; readonly to: string },
): string {
  const opened = openSetting(key, from, value)
  try {
    return sealSetting(key, to, opened)
  } finally {
    opened.wipe()
  }
}
