/** Which settings a file may hold: it depends on the hardware of each of its HSMs. */
import { DomainError } from '@keyhsm/core'
import { readSettingLines, type SettingsSchema } from '@keyhsm/service'
import { findPlaces, type Place, placeName, placeSchema } from './backend-names.js'
import {
  backendSchema,
  commonSchema,
  type Hardware,
  hardwareNames,
  keySecureSchema,
  pkcs11Schema,
  softTokenSchema,
} from './settings.js'

/** The schema of a file for this hardware, in the order in which settings are shown: the old product's first. */
export function schemaFor(hardware: Hardware): SettingsSchema {
  const { address, port, managementPort, servicePort, hardware: kind, ...others } = commonSchema
  const known = { address, port, managementPort, servicePort, hardware: kind }
  return { ...known, ...deviceSchema(hardware), ...others }
}

/** The part of {@link schemaFor} that each backend has for itself. */
export function backendSchemaFor(hardware: Hardware): SettingsSchema {
  const { hardware: kind, ...others } = backendSchema
  return { hardware: kind, ...deviceSchema(hardware), ...others }
}

/** The schemas of all backends of a file in one. @throws ERR_SETTINGS as {@link readHardware}. */
export function wholeSchema(text: string, file: string): SettingsSchema {
  const others = findPlaces(text, file).map((place) => {
    const schema = backendSchemaFor(readHardware(text, file, place))
    const entries = Object.entries(placeSchema(schema, place))
    return Object.fromEntries(entries.map(([key, spec]) => [`${place} ${key}`, spec]))
  })
  return Object.assign({ ...schemaFor(readHardware(text, file)) }, ...others) as SettingsSchema
}

/**
 * Which hardware a settings file is for.
 * @throws ERR_SETTINGS when it does not say, or says something else than one of `hardwareNames`.
 */
export function readHardware(text: string, file: string, place?: Place): Hardware {
  const field = placeName(commonSchema.hardware.name, place)
  const line = readSettingLines(text, file).find(({ name }) => name === field)
  const found = hardwareNames.find((name) => name === line?.text)
  if (found) return found
  const rule = `must be one of ${hardwareNames.join(', ')}`
  const at = line === undefined ? {} : { line: line.line }
  throw new DomainError('ERR_SETTINGS', `${file}: ${field} ${rule}`, {
    faults: [{ field, rule, ...at }],
  })
}

function deviceSchema(hardware: Hardware): SettingsSchema {
  if (hardware === 'soft-token') return softTokenSchema
  return hardware === 'keysecure' ? keySecureSchema : pkcs11Schema(hardware)
}
