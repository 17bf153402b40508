import type { Gateway } from './gateway.ts'

/** Where a gateway listens. */
export interface GatewayAddress {
  /** 0: any that is free. */
  readonly port: number
  /** Such as `127.0.0.1`, which is the default. */
  readonly host?: string
}

/** A gateway that listens. */
export interface GatewayListener extends AsyncDisposable {
  /** Where it can be reached, with a slash at the end. */
  readonly url: string
  /** Ends what is under way within moments. */
  close(): Promise<void>
}

/** Serves a gateway over HTTP. @throws what `listen` does, such as `EADDRINUSE`. */
export function serveGateway(
  _gateway: Gateway,
  _address: GatewayAddress,
): Promise<GatewayListener> {
  return Promise.reject(new Error('not there yet'))
}
