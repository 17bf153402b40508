import { mkdir, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isSignedCertificate, readServerCertificate } from '@lafs/client'
import type { ServerCertificate, SignedCertificate } from '@lafs/client'
import { verifyingKeyFromString } from '@lafs/crypto'
import { createWhole, hasSystemCode, readIfThere, writeWhole } from '@lafs/node-directory/files'
import { GridManagerError } from './errors.ts'
import { formatCertificate, formatGridManager, parseGridManager } from './grid-manager.ts'
import type { GridManager } from './grid-manager.ts'

// A folder holds config.json and, for each server, NAME.cert.0, NAME.cert.1 and so on.

const CONFIG = 'config.json'

/**
 * Makes a folder for a new grid manager, for its owner's eyes alone.
 *
 * @throws {@link GridManagerError} `GRID_MANAGER_EXISTS` where there is something.
 */
export async function createGridManagerFolder(folder: string, manager: GridManager): Promise<void> {
  await mkdir(dirname(folder), { recursive: true })
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    if (!hasSystemCode(error, 'EEXIST')) throw error
    throw new GridManagerError('GRID_MANAGER_EXISTS', `Can't create '${folder}': File exists`)
  }
  try {
    await saveGridManager(folder, manager)
  } catch (error) {
    await rmdir(folder).catch(() => undefined)
    throw error
  }
}

/**
 * The grid manager of a folder.
 *
 * @throws {@link GridManagerError} `GRID_MANAGER_ABSENT`, `GRID_MANAGER_BAD_CONFIG`.
 */
export async function loadGridManager(folder: string): Promise<GridManager> {
  const text = await readIfThere(join(folder, CONFIG))
  if (text !== undefined) return parseGridManager(text)
  throw new GridManagerError(
    'GRID_MANAGER_ABSENT',
    `expected a grid manager's ${CONFIG} in '${folder}', found none; 'grid-manager --config ${folder} create' makes one`,
  )
}

/** Writes the grid manager of a folder in one step. */
export async function saveGridManager(folder: string, manager: GridManager): Promise<void> {
  await writeWhole(join(folder, CONFIG), `${formatGridManager(manager)}\n`)
}

/** A certificate that a grid manager has given. */
export interface FiledCertificate {
  readonly index: number
  /** Undefined where the signature is not that of the grid manager. */
  readonly content: ServerCertificate | undefined
}

/**
 * The certificates that were given to a server.
 *
 * @param identity - the public key of the grid manager, `pub-v0-…`.
 * @throws {@link GridManagerError} `GRID_MANAGER_BAD_CERTIFICATE`.
 */
export async function readCertificates(
  folder: string,
  name: string,
  identity: string,
): Promise<FiledCertificate[]> {
  const managerKey = verifyingKeyFromString(identity)
  const found: FiledCertificate[] = []
  for (let index = 0; ; index++) {
    const text = await readIfThere(certificateFile(folder, name, index))
    if (text === undefined) return found
    const content = readServerCertificate(parseCertificateFile(text, name), managerKey)
    found.push({ index, content })
  }
}

/** Files a certificate under the first number that is free. */
export async function fileCertificate(
  folder: string,
  name: string,
  certificate: SignedCertificate,
): Promise<void> {
  const text = formatCertificate(certificate)
  for (let index = 0; ; index++) {
    if (await createWhole(certificateFile(folder, name, index), text, 0o666)) return
  }
}

/** Removes the certificates that were given to a server. They stay good until they expire. */
export async function removeCertificates(folder: string, name: string): Promise<void> {
  for (let index = 0; await isThere(certificateFile(folder, name, index)); index++) {
    await rm(certificateFile(folder, name, index))
  }
}

function certificateFile(folder: string, name: string, index: number): string {
  return join(folder, `${name}.cert.${index}`)
}

/**
 * Reads the file of a certificate, as a grid manager hands it out.
 *
 * @param name - what to call it in an error.
 * @throws {@link GridManagerError} `GRID_MANAGER_BAD_CERTIFICATE`.
 * @see allmydata.grid_manager.parse_grid_manager_certificate
 */
export function parseCertificateFile(text: string, name: string): SignedCertificate {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw badCertificate(name, 'expected JSON')
  }
  if (isSignedCertificate(value) && Object.keys(value).length === 2) return value
  throw badCertificate(
    name,
    "Grid Manager certificate must contain: 'certificate', 'signature' and nothing else",
  )
}

function badCertificate(name: string, what: string): GridManagerError {
  return new GridManagerError('GRID_MANAGER_BAD_CERTIFICATE', `certificate of '${name}': ${what}`)
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
