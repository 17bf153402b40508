import type { IPublishStatus, ProgressOptions } from '@lafs/filesystem-interface'
import type { MutableFile } from '../file.ts'
import { publish } from '../publish/publish.ts'
import { retrieve } from '../retrieve/retrieve.ts'
import type { ServerMap } from '../servermap/server-map.ts'
import type { VersionInfo } from '../servermap/version-info.ts'
import { mutableUploadableFromStream } from '../uploadable.ts'

/**
 * Publishes what a version says as a new one, above all that the map knows and in their place.
 *
 * @param map - made in MODE_REPAIR; gets what was written.
 * @throws {@link FilesystemError} `DOWNLOAD_NOT_ENOUGH_SHARES`, and nothing was written;
 *   `MUTABLE_UNCOORDINATED_WRITE`, `MUTABLE_NOT_ENOUGH_SERVERS`.
 * @see allmydata.mutable.repairer.Repairer, with `force`
 */
export async function republishVersion(
  file: MutableFile,
  map: ServerMap,
  version: VersionInfo,
  options: ProgressOptions = {},
): Promise<IPublishStatus> {
  const { signal } = options
  const contents = retrieve(file, map, version, { ...(signal && { signal }) })
  const uploadable = await mutableUploadableFromStream(contents, { size: version.size })
  return publish(file, map, uploadable, options)
}
