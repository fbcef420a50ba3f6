export { connectSoftToken, type SoftTokenOptions } from './connect-soft-token.js'
export { initialiseSoftToken, type NewSoftToken } from './initialise-soft-token.js'
export { type RefusedLogins, readRefusedLogins } from './login.js'
