/** Long operations that go on while nobody listens, by the handles that their users chose. */
export interface OperationHandles {
  /** Cancels all that is under way, and forgets it. */
  close(): void
}
