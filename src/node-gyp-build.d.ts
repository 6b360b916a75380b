/** Has no types of its own. */
declare module 'node-gyp-build' {
  /** Loads the package's addon: the one built here, else the one shipped for this machine. */
  export default function load(packageDirectory: string): unknown;
}
