import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { NodeDirectoryError } from './errors.ts'
import { writeWhole } from './files.ts'

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
 * its first start.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_NOT_EMPTY`; RangeError for a text with a line break in it.
 * @see allmydata.scripts.create_node
 */
export async function createNodeDirectory(folder: string, node: NewNode): Promise<void> {
  const text = tahoeCfgText(node)
  await mkdir(folder, { recursive: true })
  // What stands at the top of an ext4 volume is nobody's.
  if ((await readdir(folder)).some((name) => name !== 'lost+found')) {
    throw new NodeDirectoryError(
      'NODEDIR_NOT_EMPTY',
      `the base directory '${folder}' is not empty: please use a different directory, or empty this one`,
    )
  }
  await mkdir(join(folder, 'private'), { mode: 0o700 })
  if (node.introducer !== undefined) {
    await writeWhole(
      join(folder, 'private', 'introducers.yaml'),
      stringify({ introducers: { default: { furl: node.introducer } } }, { lineWidth: 0 }),
    )
  }
  await writeWhole(join(folder, 'tahoe.cfg'), text, 0o644)
  await writeFile(join(folder, KIND_FILE), '# This is the directory of a node: see tahoe.cfg.\n')
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
