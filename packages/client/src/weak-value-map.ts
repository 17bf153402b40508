/**
 * Values that stay as long as somebody else holds them.
 *
 * @see Python's weakref.WeakValueDictionary
 */
export class WeakValueMap<Value extends object> {
  readonly #references = new Map<string, WeakRef<Value>>()
  readonly #collected = new FinalizationRegistry<string>((key) => {
    // A newer value may have taken the place of the one that is gone.
    if (this.#references.get(key)?.deref() === undefined) this.#references.delete(key)
  })

  get(key: string): Value | undefined {
    return this.#references.get(key)?.deref()
  }

  set(key: string, value: Value): void {
    this.#references.set(key, new WeakRef(value))
    this.#collected.register(value, key)
  }
}
