export { keytrusteeOrgtool, keytrusteeServer, ktadmin } from './programs.js'
