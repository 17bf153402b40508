import { readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { formatCertificate, GridManagerError, parseCertificateFile } from '@lafs/grid-manager'
import type { SignedCertificate } from '@lafs/client'
import { parseTahoeCfg } from '@lafs/node-directory'
import { CommandError, UsageError } from '../failure.ts'
import { quoteOutput } from '../quote.ts'
import type { CommandContext } from '../command-context.ts'
import { kebabJson } from '../kebab-json.ts'
import { writeFileWhole } from '../local-file.ts'
import type { JsonOption } from '../outcome.ts'
import { withTahoeCfgOption } from '../tahoe-cfg-edit.ts'
import { writeTo } from '../terminal.ts'

/** The options of `admin add-grid-manager-cert`. */
export interface GridManagerCertificateOptions extends JsonOption {
  /** `-`: from standard input. */
  readonly filename: string
  readonly name: string
}

const SECTION = 'grid_manager_certificates'

/**
 * Gives a storage server a certificate of a grid manager, which it announces from its next start on.
 *
 * @see allmydata.scripts.admin.add_grid_manager_cert
 */
export async function addGridManagerCertificateCommand(
  context: CommandContext,
  options: GridManagerCertificateOptions,
): Promise<void> {
  const { terminal, nodeDirectory } = context
  const { name } = options
  if (!/^[^\s#;[./\\:=%\p{Cc}][^/\\:=%\p{Cc}]*$/u.test(name) || name.trim() !== name) {
    throw new UsageError('expected a name that a file and an option can have')
  }
  const certificate = await readCertificate(context, options)
  const configFile = join(nodeDirectory, 'tahoe.cfg')
  const config = await readFile(configFile, 'utf8')
  // What cannot be read is not to be written to.
  parseTahoeCfg(config)
  const enabled = withTahoeCfgOption(config, 'storage', 'grid_management', 'True')
  const changed = withTahoeCfgOption(enabled, SECTION, name, `${name}.cert`)
  const count = parseTahoeCfg(changed).get(SECTION)?.options.size ?? 0
  const file = join(nodeDirectory, `${name}.cert`)
  try {
    await writeFile(file, `${formatCertificate(certificate)}\n`, { flag: 'wx' })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    throw new CommandError(
      'CLI_EXISTING_CERTIFICATE',
      `Already have certificate for ${quoteOutput(name)} (at ${file})`,
    )
  }
  try {
    await writeFileWhole(configFile, changed)
  } catch (error) {
    // Else another try would be told that the certificate is there already.
    await rm(file, { force: true })
    throw error
  }
  if (options.json === true) await writeTo(terminal.stdout, `${kebabJson({ name, file, count })}\n`)
  else await writeTo(terminal.stderr, `There are now ${count} certificates\n`)
}

async function readCertificate(
  { terminal }: CommandContext,
  { filename, name }: GridManagerCertificateOptions,
): Promise<SignedCertificate> {
  if (filename === '-') await writeTo(terminal.stderr, 'reading certificate from stdin\n')
  const text =
    filename === '-'
      ? await textOf(terminal.stdin)
      : await readFile(resolve(terminal.cwd, filename), 'utf8')
  if (text === '') throw new UsageError('Reading certificate from stdin failed')
  try {
    return parseCertificateFile(text, name)
  } catch (error) {
    if (!(error instanceof GridManagerError)) throw error
    throw new UsageError(`Error parsing certificate: ${error.message}`)
  }
}
