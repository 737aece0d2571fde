// The command line: which command is wanted, and what it is given.

import { parseArgs } from 'node:util'
import { TesseraError } from '../base/errors.js'
import { examples } from './examples.js'
import { info } from './info.js'
import { version } from './package.js'
import { profileScript } from './profile.js'

const HELP = `tessera: deep learning in TypeScript

usage: tessera COMMAND

  info                      this machine's devices: which is used, and why not the others
  examples [--copy FOLDER]  what there is to run; copies it to a folder of yours
  profile [--trace FILE] SCRIPT [ARGUMENT…]
                            runs a script, and tells what it spent its time on
  help                      this text

  --version                 the version

environment:
  TESSERA_DEVICE            the device to use, by name
  TESSERA_THREADS           how many threads compute
  TESSERA_CPU               machine code for avx512 or avx2 processors, or none
  TESSERA_DEBUG             1 to 4: tells of plans, also times, kernels, machine code
  TESSERA_HOME              the folder for data sets (default ~/.cache/tessera)`

interface Flags {
  readonly copy?: string | undefined
}

/** What each command prints. */
const COMMANDS: Readonly<Record<string, (flags: Flags) => string | Promise<string>>> = {
  info: () => info(),
  examples: (flags) => examples(flags.copy),
  help: () => HELP,
}

/** Where text goes; `process` has both. */
export interface Streams {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

/** Runs the program with arguments; answers the exit status. */
export async function main(args: readonly string[], streams: Streams = process): Promise<number> {
  const fail = (text: string): number => {
    streams.stderr.write(`${text}\n`)
    return 2
  }
  if (args[0] === 'profile' && args[1] !== '--help') {
    try {
      return await profileScript(args.slice(1))
    } catch (error) {
      return fail(messageOf(error))
    }
  }
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(args)
  } catch (error) {
    return fail(`tessera: ${(error as Error).message}\n\n${HELP}`)
  }
  const { values, positionals } = parsed
  const [name = 'help', ...rest] = positionals
  if (values.version) {
    streams.stdout.write(`${await version()}\n`)
    return 0
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined || rest.length > 0) {
    const known = [...Object.keys(COMMANDS), 'profile'].join(', ')
    const received = [name, ...rest].join(' ')
    return fail(`tessera: Expected one command of ${known}. Received ${received}.`)
  }
  try {
    const text = values.help ? HELP : await command(values)
    streams.stdout.write(`${text}\n`)
    return 0
  } catch (error) {
    return fail(messageOf(error))
  }
}

/** What went wrong, if it is something that people can put right; else throws the error again. */
function messageOf(error: unknown): string {
  if (error instanceof TesseraError || (error as NodeJS.ErrnoException).code !== undefined) {
    return `tessera: ${(error as Error).message}`
  }
  throw error
}

const parse = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
      copy: { type: 'string' },
    },
  })
