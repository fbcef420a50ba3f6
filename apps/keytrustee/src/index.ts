export { keytrusteeOrgtool, keytrusteeServer, ktadmin } from './programs.js'
export { trusteeMeters } from './monitoring/open-monitoring.js'
