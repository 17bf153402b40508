/** How long a server may take to say which shares it has, or to do another small thing. */
export const QUERY_TIMEOUT_MS = 15_000
/** How long one read of a share may take. */
export const READ_TIMEOUT_MS = 60_000
/** How long the end of an operation waits for servers that are only told something. */
export const NOTICE_TIMEOUT_MS = 5000
