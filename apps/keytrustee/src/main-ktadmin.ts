#!/usr/bin/env node
import { runProgram } from '@keyhsm/command-line'
import { ktadmin } from './programs.js'

process.exitCode = await runProgram(ktadmin, process.argv.slice(2))
