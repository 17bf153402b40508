const STATUSES: Readonly<Record<string, number>> = {
  DIRECTORY_NO_SUCH_CHILD: 404,
  DIRECTORY_EXISTING_CHILD: 409,
  DIRECTORY_EMPTY_PATHNAME_COMPONENT: 400,
  DOWNLOAD_NOT_ENOUGH_SHARES: 410,
  DOWNLOAD_NO_SHARES: 410,
  MUTABLE_UNRECOVERABLE: 410,
  UPLOAD_FILE_TOO_LARGE: 413,
  NODE_PROHIBITED: 403,
  CLI_NOT_A_DIRECTORY: 400,
}

/**
 * The status that upstream's gateway answers with for a failure.
 *
 * @see allmydata.web.common.humanize_exception
 */
export function webStatus(error: unknown): number {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  // Of a cap, or of the place that it was found in.
  if (code.startsWith('URI_')) return 400
  return STATUSES[code] ?? 500
}
