#!/usr/bin/env node
import { runProgram } from '@keyhsm/command-line'
import { keytrusteeOrgtool } from './programs.js'

process.exitCode = await runProgram(keytrusteeOrgtool, process.argv.slice(2))
