import { concatBytes } from '@lafs/crypto'
import {
  NotWriteableError,
  UncoordinatedWriteError,
  UnrecoverableFileError,
} from '@lafs/filesystem-interface'
import type {
  IMutableFileServerMap,
  IMutableFileVersion,
  IMutableUploadable,
  IPublishStatus,
  MutableModifier,
  MutableVersionInfo,
  ProgressOptions,
  ReadOptions,
} from '@lafs/filesystem-interface'
import type { OperationOptions } from '@lafs/storage-interface'
import type { MutableFile } from './file.ts'
import { findBestVersion, isUnreadable, modifyFile, readWhole } from './modify.ts'
import type { OperationQueue } from './operation-queue.ts'
import { publish } from './publish/publish.ts'
import { readSource } from './publish/source-reader.ts'
import { canUpdateInPlace, publishUpdate, type UpdateBasis } from './publish/update.ts'
import { fetchUpdateSegments, retrieve } from './retrieve/retrieve.ts'
import { ServerMap } from './servermap/server-map.ts'
import { mutableUploadableFromBytes } from './uploadable.ts'
import type { VersionInfo } from './servermap/version-info.ts'

/** What a version is made of. */
export interface MutableVersionParts {
  readonly file: MutableFile
  /** The node's. */
  readonly queue: OperationQueue
  readonly map: ServerMap
  readonly version: VersionInfo
  /** Whether the version can be changed; the file then has a write key. */
  readonly writeable: boolean
}

/**
 * One version of a mutable file. It follows its own writes: after one it is the version that was
 * written.
 *
 * @see allmydata.mutable.filenode.MutableFileVersion
 */
export class MutableFileVersion implements IMutableFileVersion {
  readonly mutable = true
  readonly readonly: boolean
  readonly #file: MutableFile
  readonly #queue: OperationQueue
  readonly #map: ServerMap
  #version: VersionInfo

  constructor({ file, queue, map, version, writeable }: MutableVersionParts) {
    this.#file = file
    this.#queue = queue
    this.#map = map
    this.#version = version
    this.readonly = !writeable
  }

  get writekey(): Uint8Array | undefined {
    return this.readonly ? undefined : this.#file.writekey
  }

  get storageIndex(): Uint8Array {
    return this.#file.storageIndex
  }

  get size(): number {
    return this.#version.size
  }

  get sequenceNumber(): number {
    return this.#version.sequenceNumber
  }

  get servermap(): IMutableFileServerMap {
    return this.#map
  }

  read(options?: ReadOptions): AsyncIterable<Uint8Array> {
    return retrieve(this.#file, this.#map, this.#version, options)
  }

  downloadToData(options: ProgressOptions = {}): Promise<Uint8Array> {
    return readWhole(this.#file, this.#map, this.#version, options)
  }

  overwrite(
    newContents: Uint8Array | IMutableUploadable,
    options: ProgressOptions = {},
  ): Promise<IPublishStatus> {
    return this.#edit(
      () => publish(this.#file, this.#map, asMutableUploadable(newContents), options),
      options,
    )
  }

  modify(modifier: MutableModifier, options: ProgressOptions = {}): Promise<IPublishStatus> {
    return this.#edit(() => modifyFile(this.#file, this.#map, modifier, options), options)
  }

  update(
    data: Uint8Array | IMutableUploadable,
    offset: number,
    options: ProgressOptions = {},
  ): Promise<IPublishStatus> {
    return this.#edit(() => this.#update(asMutableUploadable(data), offset, options), options)
  }

  async #update(
    data: IMutableUploadable,
    offset: number,
    options: ProgressOptions,
  ): Promise<IPublishStatus> {
    const [file, map, version] = [this.#file, this.#map, this.#version]
    assertOffset(offset, version.size)
    if (canUpdateInPlace(map, version, offset, data.size)) {
      const span = { ...options, offset, length: data.size }
      const basis = await this.#basisOf(span)
      // By now shares may be known to be bad.
      const stillFits = canUpdateInPlace(map, version, offset, data.size)
      if (stillFits && basis?.blockHashes.size === version.totalShares) {
        return publishUpdate(file, map, version, { offset, data, basis }, options)
      }
    }
    const bytes = await bytesOf(data, options)
    const change: MutableModifier = (old) => {
      // The offset says where something stands in this version; in another one it may be elsewhere.
      if (map.bestRecoverableVersion()?.id !== version.id) throw replacedMeanwhile()
      return splice(old, bytes, offset)
    }
    return modifyFile(file, map, change, options)
  }

  /**
   * What an update in place needs of this version; undefined where too few shares are good.
   *
   * @throws {@link UncoordinatedWriteError} where another writer has replaced the version.
   */
  async #basisOf(
    span: OperationOptions & { readonly offset: number; readonly length: number },
  ): Promise<UpdateBasis | undefined> {
    try {
      return await fetchUpdateSegments(this.#file, this.#map, this.#version, span)
    } catch (error) {
      if (!isUnreadable(error)) throw error
      const { sequenceNumber } = await findBestVersion(this.#file, this.#map, 'MODE_WRITE', span)
      if (sequenceNumber <= this.#version.sequenceNumber) return undefined
      throw replacedMeanwhile(error)
    }
  }

  /** Runs an edit once the others of this node are over. */
  #edit(write: () => Promise<IPublishStatus>, options: OperationOptions): Promise<IPublishStatus> {
    return this.#queue.edit(async () => {
      if (this.readonly) throw new NotWriteableError('this version is for reading alone')
      const status = await write()
      this.#version = this.#map.bestRecoverableVersion() ?? this.#version
      return status
    }, options)
  }
}

function replacedMeanwhile(cause?: unknown): UncoordinatedWriteError {
  const message = 'another writer has replaced the version that was to be changed'
  return new UncoordinatedWriteError(message, cause === undefined ? {} : { cause })
}

function assertOffset(offset: number, size: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > size) {
    throw new RangeError(`expected an offset from 0 to ${size}, where the file ends, got ${offset}`)
  }
}

/** The old bytes, with the data in the place of those from `offset` on. */
function splice(old: Uint8Array, data: Uint8Array, offset: number): Uint8Array {
  assertOffset(offset, old.length)
  return concatBytes([old.subarray(0, offset), data, old.subarray(offset + data.length)])
}

/** All bytes of an uploadable. @throws {@link UploadSourceChangedError} unless they are as many as it says. */
async function bytesOf(
  data: IMutableUploadable,
  { signal }: OperationOptions,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(data.size)
  const source = readSource(data, { ...(signal && { signal }) })
  try {
    await source.readInto(bytes)
    await source.end()
    return bytes
  } finally {
    await source.close()
  }
}

/** What is published in the place of bytes. @throws TypeError for neither bytes nor an uploadable. */
export function asMutableUploadable(data: Uint8Array | IMutableUploadable): IMutableUploadable {
  if (data instanceof Uint8Array) return mutableUploadableFromBytes(data)
  if (typeof data === 'object' && 'read' in data) return data
  throw new TypeError(`expected bytes or an uploadable, got ${typeof data}`)
}

/** The map as this package makes them. */
export function asServerMap(map: IMutableFileServerMap): ServerMap {
  if (map instanceof ServerMap) return map
  throw new TypeError('expected a servermap that a node of this package has made')
}

/**
 * The version of a map that has this id.
 *
 * @throws {@link UnrecoverableFileError} where the map has too few shares of it.
 */
export function recoverableVersion(
  map: ServerMap,
  { id, summary }: MutableVersionInfo,
): VersionInfo {
  const found = map.recoverableVersions().find((version) => version.id === id)
  if (found !== undefined) return found
  throw new UnrecoverableFileError(`too few shares of version ${summary} are known`)
}
