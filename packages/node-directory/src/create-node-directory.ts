import { mkdir, readdir, rmdir, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { NodeDirectoryError } from './errors.ts'
import { hasSystemCode, writeWhole } from './files.ts'

/** What a new node is to be like. */
export interface NewNode {
  /** Empty: none. */
  readonly nickname: string
  /** Such as `tcp:3456:interface=127.0.0.1`; empty: no web API. */
  readonly webPort: string
  readonly requiredShares: number
  readonly happyShares: number
  readonly totalShares: number
  /** The FURL of an introducer: a secret. */
  readonly introducer?: string | undefined
  /** Where the node can be reached, for others to store at; undefined: nowhere. */
  readonly tub: { readonly port: string; readonly location: string } | undefined
  readonly storage: boolean
  /** Where the shares go. Default: the folder `storage` in the node directory. */
  readonly storageFolder?: string | undefined
  readonly helper: boolean
}

/** Upstream knows by the name of this file what kind of node a directory is for, and reads nothing of it. */
const KIND_FILE = 'tahoe-client.tac'

/**
 * Makes a node directory with a `tahoe.cfg`, for this implementation and for upstream's. Secrets are made at
 * its first start. Where it fails, nothing that it has made stays.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_NOT_EMPTY`; RangeError for a text with a line break in it.
 * @see allmydata.scripts.create_node
 */
export async function createNodeDirectory(path: string, node: NewNode): Promise<void> {
  const folder = resolve(path)
  const files = filesOf(node)
  /** What takes away what has been made, unless others have put something into it. */
  const undo: (() => Promise<void>)[] = []
  try {
    for (const made of await makeFolder(folder)) undo.push(() => rmdir(made))
    // What stands at the top of an ext4 volume is nobody's.
    if ((await readdir(folder)).some((name) => name !== 'lost+found')) throw notEmpty(folder)
    const privateFolder = join(folder, 'private')
    await mkdir(privateFolder, { mode: 0o700 }).catch((error: unknown) => {
      // Somebody else makes a node here.
      throw hasSystemCode(error, 'EEXIST') ? notEmpty(folder) : error
    })
    undo.push(() => rmdir(privateFolder))
    for (const [name, text, mode] of files) {
      const file = join(folder, name)
      // It may be there though its writing fails: on no disk yet.
      undo.push(() => unlink(file))
      await writeWhole(file, text, mode)
    }
  } catch (error) {
    for (const step of undo.toReversed()) await step().catch(() => undefined)
    throw error
  }
}

/** Makes a folder, and those that lead to it. @returns those that were not there, the outermost first. */
async function makeFolder(folder: string): Promise<string[]> {
  const outermost = await mkdir(folder, { recursive: true })
  if (outermost === undefined) return []
  const made: string[] = []
  for (let at = folder; at.length >= outermost.length; at = dirname(at)) made.unshift(at)
  return made
}

function notEmpty(folder: string): NodeDirectoryError {
  return new NodeDirectoryError(
    'NODEDIR_NOT_EMPTY',
    `the base directory '${folder}' is not empty: please use a different directory, or empty this one`,
  )
}

/** The files of a new node directory; a mode where not only their owner may read them. */
function filesOf(node: NewNode): (readonly [name: string, text: string, mode?: number])[] {
  const introducers = { introducers: { default: { furl: node.introducer } } }
  const introducersFile = join('private', 'introducers.yaml')
  return [
    ...(node.introducer === undefined
      ? []
      : [[introducersFile, stringify(introducers, { lineWidth: 0 })] as const]),
    ['tahoe.cfg', tahoeCfgText(node), 0o644],
    [KIND_FILE, '# This is the directory of a node: see tahoe.cfg.\n', 0o644],
  ]
}

function tahoeCfgText(node: NewNode): string {
  return `# -*- mode: conf; coding: utf-8 -*-

# What the node in this directory is and does. It is read when the node starts.
# All that can stand here: docs/configuration.rst of Tahoe-LAFS.

[node]
nickname = ${value(node.nickname)}
reveal-IP-address = true
web.port = ${value(node.webPort)}
web.static = public_html
tub.port = ${value(node.tub?.port ?? 'disabled')}
tub.location = ${value(node.tub?.location ?? 'disabled')}

[client]
helper.furl =

# How many shares bring a file back, on how many servers at least they are to be,
# and how many there are. A change holds for what is stored from then on.
shares.needed = ${node.requiredShares}
shares.happy = ${node.happyShares}
shares.total = ${node.totalShares}

[storage]
# Whether others may store here.
enabled = ${node.storage}
#readonly =
# Room on the disk that is left alone.
reserved_space = 1G
${node.storageFolder === undefined ? '#storage_dir =' : `storage_dir = ${value(node.storageFolder)}`}
#expire.enabled =
#expire.mode =

[helper]
enabled = ${node.helper}
`
}

function value(text: string): string {
  if (/[\r\n]/.test(text)) throw new RangeError('expected no line break in a value of tahoe.cfg')
  return text.replaceAll('%', '%%')
}
