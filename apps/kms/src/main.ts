import { runProgram } from '@keyhsm/command-line'
import { program } from './program.js'

process.exitCode = await runProgram(program, process.argv.slice(2))
