export { type Account, findAccount } from './accounts.js'
export { type AuditTools, auditCommands } from './audit-commands.js'
export { certificateOptions } from './certificate-options.js'
export { completionCommand, formatCompletion } from './completion.js'
export { formatReference } from './format-reference.js'
export { commonOptions, formatHelp } from './grammar.js'
export { homeIn } from './home.js'
export { levelText, logLevelCommand } from './log-level-command.js'
export { optionGiven, optionText, optionTexts, requiredText } from './input.js'
export { printFields, printJson, printLine, printTable, printable } from './output.js'
export { policyOf, policyOptions, type PolicyWish } from './policy-options.js'
export { type ErrorDocument, printError } from './print-error.js'
export { defaultMaxFileBytes, readAll, tooLarge } from './read-files.js'
export { type SecretSource, findSecret, readSecret } from './read-secret.js'
export type {
  Argument,
  Command,
  Home,
  Input,
  Io,
  Option,
  Program,
  ServiceUser,
} from './records.js'
export {
  enrolmentProofOf,
  recognitionOf,
  recoveryFingerprintOf,
  registrationOptions,
} from './registration-options.js'
export { runProgram } from './run-program.js'
export {
  foregroundOption,
  homeArguments,
  serviceCommands,
  type ServiceVerbs,
  startCommandOf,
  type Starter,
} from './service-commands.js'
export { settingsCommand } from './settings-command.js'
