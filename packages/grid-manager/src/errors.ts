/** The codes of {@link GridManagerError}. */
export type GridManagerErrorCode =
  /** There is no grid manager in the folder. */
  | 'GRID_MANAGER_ABSENT'
  /** There is something in the folder already. */
  | 'GRID_MANAGER_EXISTS'
  /** What stands in its `config.json` makes no sense. */
  | 'GRID_MANAGER_BAD_CONFIG'
  /** A certificate in its folder is none. */
  | 'GRID_MANAGER_BAD_CERTIFICATE'
  /** The name of a storage server cannot be that of a file. */
  | 'GRID_MANAGER_BAD_NAME'
  /** The key of a storage server is none. */
  | 'GRID_MANAGER_BAD_KEY'
  /** It has a storage server of this name. */
  | 'GRID_MANAGER_EXISTING_SERVER'
  /** It has no storage server of this name. */
  | 'GRID_MANAGER_NO_SUCH_SERVER'

/** Every failure of a grid manager's that a caller can act on. Messages may change; codes do not. */
export class GridManagerError extends Error {
  override name = 'GridManagerError'
  readonly code: GridManagerErrorCode

  constructor(code: GridManagerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
