import type { FileToWrite, Place } from './open-file.ts'

/**
 * The files that are open to be written, or being closed, by the entries that they will have: programs
 * expect them to be there before they are. One for all users of a frontend.
 *
 * @see allmydata.frontends.sftpd, "heisenfiles"
 */
export class FilesInWork {
  readonly #files = new Set<FileToWrite>()

  add(file: FileToWrite): void {
    this.#files.add(file)
  }

  remove(file: FileToWrite): void {
    this.#files.delete(file)
  }

  /** Those of an entry, the one that was opened last at the end. */
  at(place: Place): FileToWrite[] {
    return [...this.#files].filter(
      (file) => file.place !== undefined && isSamePlace(file.place, place),
    )
  }

  /** Waits until those of an entry that are being closed are stored. */
  async settle(place: Place): Promise<void> {
    await Promise.all(this.at(place).map((file) => file.settled()))
  }
}

function isSamePlace(a: Place, b: Place): boolean {
  return (
    a.name.normalize('NFC') === b.name.normalize('NFC') &&
    (a.directory === b.directory || a.directory.uri === b.directory.uri)
  )
}
