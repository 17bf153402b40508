/** The one class of undici that is used, from the module that it stands in. */
declare module 'undici/lib/dispatcher/pool.js' {
  export { Pool as default } from 'undici'
}
