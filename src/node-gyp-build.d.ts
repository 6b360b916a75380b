/** Has no types of its own. */
declare module 'node-gyp-build' {
  const nodeGypBuild: {
    /** Loads the package's addon: the one built here, else the one shipped for this machine. */
    (packageDirectory: string): unknown;
    /** The addon's file. Throws where there is none. */
    path(packageDirectory: string): string;
  };
  export default nodeGypBuild;
}
