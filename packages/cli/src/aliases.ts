import { mkdir, open, rename, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EmptyPathnameComponentError } from '@lafs/filesystem-interface'
import { hasSystemCode, readIfThere, syncFolder } from '@lafs/node-directory/files'
import {
  capTextFromInput,
  DirectoryCap,
  hasUriPrefix,
  isUriError,
  parseCap,
  parseCapStrict,
} from '@lafs/uri'
import { CommandError } from './failure.ts'
import { quoteOutput } from './quote.ts'

/** The alias of paths that name none. */
const DEFAULT_ALIAS = 'tahoe'

/** The text of a cap for each alias. */
export type Aliases = ReadonlyMap<string, string>

/** The option that every command with paths on the grid has. */
export interface GridOptions {
  /** What the default alias stands for instead. */
  readonly dirCap?: string
}

/** A path on the grid: a cap, and the names that lead on from it. */
export interface GridPlace {
  /** The text of a cap: a secret. */
  readonly root: string
  /** Names with slashes between them, as they were typed; empty for the root itself. */
  readonly path: string
}

/**
 * Reads the aliases of a node directory: lines `name: cap` in `private/aliases`, without comments,
 * and `private/root_dir.cap` as the default alias where no line says otherwise.
 *
 * @param dirCap - what the default alias is to stand for instead.
 * @see allmydata.scripts.common.get_aliases
 */
export async function readAliases(
  nodeDirectory: string,
  dirCap?: string,
): Promise<Map<string, string>> {
  const aliases = new Map<string, string>()
  const rootCap = (await readIfThere(join(nodeDirectory, 'private', 'root_dir.cap')))?.trim()
  if (rootCap) aliases.set(DEFAULT_ALIAS, rootCap)
  const text = (await readIfThere(aliasFile(nodeDirectory))) ?? ''
  for (const [name, cap] of parseAliases(text)) aliases.set(name, cap)
  if (dirCap !== undefined) aliases.set(DEFAULT_ALIAS, dirCap)
  return aliases
}

function parseAliases(text: string): Map<string, string> {
  const aliases = new Map<string, string>()
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) {
    const content = line.trim()
    if (content === '' || content.startsWith('#')) continue
    const [, name, cap] = /^([^:]*):(.*)$/.exec(content) ?? []
    if (name === undefined || cap === undefined) {
      // The line itself may be a cap.
      throw new CommandError(
        'CLI_BAD_ALIAS',
        `private/aliases line ${index + 1}: expected "name: cap"`,
      )
    }
    aliases.set(name, cap.trim())
  }
  return aliases
}

/**
 * Adds a line to the aliases of a node directory, in one step; what stands there stays as it is, also what
 * other processes add at the same time.
 *
 * @throws {@link CommandError} `CLI_BAD_ALIAS` where what stands there is no UTF-8; `CLI_EXISTING_ALIAS`.
 * @see allmydata.scripts.tahoe_add_alias.add_line_to_aliasfile
 */
export async function addAlias(nodeDirectory: string, name: string, cap: string): Promise<void> {
  const file = aliasFile(nodeDirectory)
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const draft = `${file}.draft`
  const output = await openDraft(draft)
  try {
    const before = (await readIfThere(file)) ?? ''
    // Reading has put this in the place of what cannot be written again.
    if (before.includes('\uFFFD')) {
      throw new CommandError('CLI_BAD_ALIAS', 'expected private/aliases to be UTF-8')
    }
    // Another process may have added it since somebody looked.
    if (parseAliases(before).has(name)) throw existingAlias(name)
    const separator = before === '' || before.endsWith('\n') ? '' : '\n'
    await output.writeFile(`${before}${separator}${name}: ${cap}\n`)
    // A cap may stand nowhere else.
    await output.sync()
    await output.close()
    await rename(draft, file)
    await syncFolder(dirname(file))
  } catch (error) {
    await output.close().catch(() => undefined)
    await unlink(draft).catch(() => undefined)
    throw error
  }
}

const DRAFT_LOOK_EVERY_MS = 20
const DRAFT_LOOKS_MAX = 500
/** Nobody writes for so long: a draft of that age was left by a process that was killed. */
const DRAFT_OLD_MS = 10_000

/**
 * Makes a draft as soon as there is none: as long as one is there, only its writer may change the file that
 * it is to become.
 */
async function openDraft(draft: string): Promise<FileHandle> {
  for (let look = 1; ; look++) {
    try {
      return await open(draft, 'wx', 0o600)
    } catch (error) {
      if (!hasSystemCode(error, 'EEXIST')) throw error
    }
    const { mtimeMs } = await stat(draft).catch(() => ({ mtimeMs: Date.now() }))
    const isLeft = look >= DRAFT_LOOKS_MAX || Date.now() - mtimeMs > DRAFT_OLD_MS
    if (isLeft) await unlink(draft).catch(() => undefined)
    else await sleep(DRAFT_LOOK_EVERY_MS)
  }
}

/**
 * The name of a new alias, which may have been typed with its colon.
 *
 * @throws {@link CommandError} `CLI_BAD_ALIAS`, `CLI_EXISTING_ALIAS`.
 */
export async function newAliasName(nodeDirectory: string, word: string): Promise<string> {
  const name = word.replace(/:$/, '')
  if (name.includes(':')) {
    throw new CommandError('CLI_BAD_ALIAS', 'Alias names cannot contain colons.')
  }
  if (/\s/.test(name)) {
    throw new CommandError('CLI_BAD_ALIAS', 'Alias names cannot contain spaces.')
  }
  if (/\p{Cc}|^#|^$/u.test(name)) {
    throw new CommandError(
      'CLI_BAD_ALIAS',
      'Alias names cannot be empty, begin with "#" or contain control characters.',
    )
  }
  if ((await readAliases(nodeDirectory)).has(name)) {
    throw existingAlias(name)
  }
  return name
}

function existingAlias(name: string): CommandError {
  return new CommandError('CLI_EXISTING_ALIAS', `Alias ${quoteOutput(name)} already exists!`)
}

/**
 * Where a word of the command line points to: `ALIAS:path`, `path` below the default alias,
 * `CAP/path`, `CAP:./path`, or the address of one of these on a gateway.
 *
 * @throws {@link CommandError} `CLI_UNKNOWN_ALIAS`, `CLI_BAD_ALIAS`.
 * @see allmydata.scripts.common.get_alias
 */
export function gridPlace(aliases: Aliases, word: string): GridPlace {
  const place = explicitGridPlace(aliases, word)
  if (place !== undefined) return place
  const root = aliases.get(DEFAULT_ALIAS)
  if (root === undefined) {
    throw new CommandError(
      'CLI_UNKNOWN_ALIAS',
      `No alias specified, and the default '${DEFAULT_ALIAS}' alias doesn't exist. To create it, use 'lafs create-alias ${DEFAULT_ALIAS}'.`,
    )
  }
  return { root: aliasedCap(DEFAULT_ALIAS, root), path: word.trim() }
}

/**
 * As {@link gridPlace}, but undefined for a word without an alias and a cap: to `cp` it names a local
 * file.
 */
export function explicitGridPlace(aliases: Aliases, word: string): GridPlace | undefined {
  const text = capTextFromInput(word)
  if (hasUriPrefix(text)) return splitCapPath(text)
  const [, name, path] = /^([^:]*):(.*)$/s.exec(text) ?? []
  // A colon after a slash is part of a name, and one letter before it may be a drive.
  if (name === undefined || path === undefined || name.includes('/')) return undefined
  if (name.length === 1 && process.platform === 'win32') return undefined
  const root = aliases.get(name)
  if (root === undefined) {
    throw new CommandError(
      'CLI_UNKNOWN_ALIAS',
      `Unknown alias ${quoteOutput(name)}, please create it with 'lafs add-alias' or 'lafs create-alias'.`,
    )
  }
  return { root: aliasedCap(name, root), path }
}

function splitCapPath(text: string): GridPlace {
  const long = text.indexOf(':./')
  if (long >= 0) return { root: text.slice(0, long), path: text.slice(long + 3) }
  const slash = text.indexOf('/')
  if (slash < 0) return { root: text, path: '' }
  return { root: text.slice(0, slash), path: text.slice(slash + 1) }
}

/**
 * Makes sure that a place can be asked for.
 *
 * @throws {@link UriError} for a malformed cap; {@link EmptyPathnameComponentError}.
 */
export function assertPlace({ root, path }: GridPlace): void {
  try {
    parseCapStrict(root)
  } catch (error) {
    // What is not known may be known to the gateway; what is malformed is of no use to anybody.
    if (!isUriError(error, 'URI_UNKNOWN_KIND')) throw error
  }
  if (path.split('/').slice(0, -1).includes('')) {
    throw new EmptyPathnameComponentError(
      'expected names between the slashes of a path, got a double slash',
    )
  }
}

/** The text of the directory cap that a user typed or an alias holds; undefined for anything else. */
export function directoryCapText(text: string): string | undefined {
  const cap = parseCap(capTextFromInput(text))
  return cap instanceof DirectoryCap ? cap.format() : undefined
}

function aliasedCap(name: string, text: string): string {
  const cap = directoryCapText(text)
  if (cap !== undefined) return cap
  throw new CommandError(
    'CLI_BAD_ALIAS',
    `Alias ${quoteOutput(name)} stands for something that is no directory cap.`,
  )
}

function aliasFile(nodeDirectory: string): string {
  return join(nodeDirectory, 'private', 'aliases')
}
