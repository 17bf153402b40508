import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { run } from '@lafs/cli'
import { upstreamFolder } from './upstream.ts'

/** What a command came to. */
export interface CommandOutcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** A command: upstream's or ours. */
export interface CommandLine {
  /**
   * Runs it once.
   *
   * @param words - its arguments, from `-d` on.
   * @param cwd - the folder that it runs in.
   * @param stdin - all of its standard input.
   */
  run(words: readonly string[], cwd: string, stdin: string): Promise<CommandOutcome>
}

const SCRIPT = `
import io, json, os, sys

from allmydata.scripts import cli, tahoe_backup, tahoe_cp, tahoe_status
from allmydata.scripts.runner import Options
from twisted.python import usage

# The order of a folder is nobody's choice.
tahoe_cp.listdir_unicode = tahoe_backup.listdir_unicode = lambda path: sorted(os.listdir(path))

# Some of it is printed to the standard output whatever a command was given: answers go there alone.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

COMMANDS = {**cli.dispatch, "status": tahoe_status.do_status}

def output():
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="", write_through=True)

def text(stream):
    stream.flush()
    return stream.buffer.getvalue().decode("utf-8")

def run(words, cwd, stdin):
    os.chdir(cwd)
    options = Options()
    options.stdout, options.stderr = output(), output()
    try:
        options.parseOptions(words)
    except usage.error as error:
        return {"status": 1, "stdout": "", "stderr": str(error)}
    command = options.subOptions
    command.stdout, command.stderr = output(), output()
    command.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    try:
        status = COMMANDS[options.subCommand](command)
    except Exception as error:
        status = 1
        print(repr(error), file=command.stderr)
    return {"status": status & 0xFF, "stdout": text(command.stdout), "stderr": text(command.stderr)}

for line in sys.stdin:
    print(json.dumps(run(*json.loads(line))), file=answers, flush=True)
`

/** Upstream's command, all of whose runs are in one process: it takes long to start. */
export function startTahoe(): CommandLine & AsyncDisposable {
  const child = spawn(join(upstreamFolder, 'bin/python'), ['-c', SCRIPT], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (said += piece))
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
  return {
    async run(words, cwd, stdin) {
      child.stdin.write(`${JSON.stringify([words, cwd, stdin])}\n`)
      const answer = await answers.next()
      if (answer.done === true) throw new Error(`the command of upstream ended: ${said}`)
      const outcome: CommandOutcome = JSON.parse(answer.value)
      return outcome
    },
    async [Symbol.asyncDispose]() {
      const closed = once(child, 'close')
      child.stdin.end()
      await closed
    },
  }
}

/** Our command, in this process. */
export const lafs: CommandLine = {
  async run(words, cwd, stdin) {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    const printed = Promise.all([text(stdout), text(stderr)])
    const { signal } = new AbortController()
    const input = Readable.from([stdin], { objectMode: false })
    const status = await run(words, { stdin: input, stdout, stderr, cwd, now: Date.now, signal })
    stdout.end()
    stderr.end()
    const [out, errors] = await printed
    return { status, stdout: out, stderr: errors }
  },
}
