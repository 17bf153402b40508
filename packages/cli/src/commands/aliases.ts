import { parseCap } from '@lafs/uri'
import type { Cap } from '@lafs/uri'
import { addAlias, directoryCapText, newAliasName, readAliases } from '../aliases.ts'
import { readCapWord } from '../cap-word.ts'
import { CommandError } from '../failure.ts'
import { pythonJson } from '@lafs/gateway/python-json'
import { escapeControls, quoteOutput } from '../quote.ts'
import type { CommandContext } from '../command-context.ts'
import { writeLine, writeTo } from '../terminal.ts'
import { codePointCount, compareCodePoints, flushRight } from '../text.ts'
import { writeOutcome } from '../outcome.ts'
import type { PrintOptions } from '../web-command.ts'

/** Makes an alias for a directory that exists. @see allmydata.scripts.tahoe_add_alias.add_alias */
export async function addAliasCommand(
  context: CommandContext,
  word: string,
  cap: string,
  options: PrintOptions,
): Promise<void> {
  const name = await newAliasName(context.nodeDirectory, word)
  const text = directoryCapText(await readCapWord(context.terminal, cap))
  if (text === undefined) {
    throw new CommandError('CLI_BAD_ALIAS', 'expected the cap of a directory, got something else')
  }
  await addAlias(context.nodeDirectory, name, text)
  await writeOutcome(context, options, `Alias ${quoteOutput(name)} added`, { alias: name })
}

/** The options of `list-aliases`. */
export interface ListAliasesOptions {
  readonly readonlyUri?: boolean
  readonly json?: boolean
}

/** Lists the aliases and their caps. @see allmydata.scripts.tahoe_add_alias.list_aliases */
export async function listAliasesCommand(
  { terminal, nodeDirectory }: CommandContext,
  options: ListAliasesOptions,
): Promise<void> {
  const aliases = [...(await readAliases(nodeDirectory))]
    .toSorted(([a], [b]) => compareCodePoints(a, b))
    .map(([name, text]) => ({ name, cap: parseCap(text) }))
  if (options.json === true) {
    const details = aliases.map(({ name, cap }) => {
      return [name, { readwrite: cap.format(), readonly: readCapText(cap) ?? null }] as const
    })
    await writeTo(terminal.stdout, `${pythonJson(new Map(details), 4)}\n`)
    return
  }
  const width = Math.max(0, ...aliases.map(({ name }) => codePointCount(quoteOutput(name))))
  for (const { name, cap } of aliases) {
    const text = options.readonlyUri === true ? (readCapText(cap) ?? '-') : cap.format()
    await writeLine(terminal.stdout, `${flushRight(escapeControls(name), width)}: ${text}`)
  }
}

/** Undefined for a cap of which nobody knows what it allows. */
function readCapText(cap: Cap): string | undefined {
  return cap.kind === 'unknown' && !cap.readonly ? undefined : cap.readCap().format()
}
