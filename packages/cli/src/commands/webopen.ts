import { spawn } from 'node:child_process'
import { gridPlace, readAliases } from '../aliases.ts'
import type { CommandContext } from '../command-context.ts'
import { readCapWord } from '../cap-word.ts'
import { UsageError } from '../failure.ts'
import { expectRunningNode } from '../running-node.ts'
import { writeOutcome } from '../outcome.ts'
import { writeTo } from '../terminal.ts'
import type { PrintOptions } from '../web-command.ts'
import { placeTarget } from '../web-path.ts'

/** The options of `webopen`. */
export interface WebopenOptions extends PrintOptions {
  readonly info?: boolean
}

/** What opens an address, where the environment names no browser. */
const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ['open'],
  win32: ['explorer.exe'],
}

/**
 * Shows a file or a directory in a web browser. Where there is none, the address is printed.
 *
 * @param where - empty for the welcome page.
 * @see allmydata.scripts.tahoe_webopen
 */
export async function webopenCommand(
  context: CommandContext,
  where: string,
  options: WebopenOptions,
): Promise<void> {
  const { terminal, nodeDirectory } = context
  const base = options.nodeUrl ?? (await expectRunningNode(nodeDirectory))
  if (!URL.canParse(base) || !/^https?:/.test(base)) {
    throw new UsageError('expected the address of a gateway, such as http://127.0.0.1:3456/')
  }
  const target = await pageTarget(context, where, options)
  const address = `${base.replace(/\/$/, '')}${target}`
  const opened = await open(address)
  if (opened && options.json !== true) return
  if (!opened) await writeTo(terminal.stderr, 'There is no browser to open; the address is:\n')
  // The address may hold a cap: it is shown only to whoever needs it.
  await writeOutcome(context, options, address, opened ? { opened } : { opened, address })
}

async function pageTarget(
  { nodeDirectory, terminal }: CommandContext,
  where: string,
  { dirCap, info }: WebopenOptions,
): Promise<string> {
  const query = { t: info === true ? 'info' : undefined }
  if (where === '') return info === true ? '/?t=info' : '/'
  const cap = dirCap === undefined ? undefined : await readCapWord(terminal, dirCap)
  const place = gridPlace(await readAliases(nodeDirectory, cap), await readCapWord(terminal, where))
  return placeTarget(place.path === '/' ? { ...place, path: '' } : place, query)
}

/** @returns whether a browser was started. */
async function open(address: string): Promise<boolean> {
  const [command = '', ...words] = process.env['BROWSER']?.split(' ').filter(Boolean) ??
    OPENERS[process.platform] ?? ['xdg-open']
  const browser = spawn(command, [...words, address], { stdio: 'ignore', detached: true })
  return new Promise((resolve) => {
    browser.once('error', () => resolve(false))
    browser.once('spawn', () => {
      browser.unref()
      resolve(true)
    })
  })
}
