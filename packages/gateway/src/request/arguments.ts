/** What a request asks for in its query and, where it has one, in its form. */
export interface RequestArguments {
  /** The first value of a name, the query before the form; undefined where it is not there. */
  get(name: string): string | undefined
}
