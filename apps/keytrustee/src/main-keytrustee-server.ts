#!/usr/bin/env node
import { runProgram } from '@keyhsm/command-line'
import { keytrusteeServer } from './programs.js'

process.exitCode = await runProgram(keytrusteeServer, process.argv.slice(2))
