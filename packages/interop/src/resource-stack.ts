/** Resources that are disposed of together, the last one first. */
export interface ResourceStack extends AsyncDisposable {
  /** Takes over a resource. @returns that resource. */
  use<T extends AsyncDisposable>(resource: T): T
}

/** A {@link ResourceStack} with nothing on it; Node 20 has no AsyncDisposableStack. */
export function createResourceStack(): ResourceStack {
  const resources: AsyncDisposable[] = []
  return {
    use(resource) {
      resources.push(resource)
      return resource
    },
    async [Symbol.asyncDispose]() {
      for (const resource of resources.splice(0).toReversed()) await resource[Symbol.asyncDispose]()
    },
  }
}
